// Package fileserver serves a directory over HTTP/1.x.
//
// This part of the package is pure: it turns bytes into a request, a request
// and the facts of an opened file into a plan, and a plan into header bytes.
// It owns no sockets, no goroutines and no files, and on the path of a plain
// file it does not allocate, so the same code can be stepped by an event loop
// and by an http.Handler. One request passes through it like this:
//
//	request.parse  bytes as they arrive  -> more | complete | failed | close
//	bodySkipper    a body nobody wants   -> more | complete | failed
//	responder.route                      -> answer now, or a name to open
//	responder.answer   the file's facts  -> answer, or try the index, or list
//	responder.appendHead                 -> the bytes before the file's bytes
package fileserver
