package fileserver

import (
	"bytes"
	"strings"
)

// defaultType is the type of files nothing is known about.
const defaultType = "application/octet-stream"

// longestExtension is the length of the longest extension in the table.
const longestExtension = 11

// mediaTypes lists types and their extensions. It is a table of our own, not the
// system's, so that one tree is served alike on every machine. Source code is
// text/plain, because the browser shall show it, not offer it for download.
// ".ts" is TypeScript: the transport streams of that name come with a playlist,
// and players go by content.
var mediaTypes = [...]struct{ name, extensions string }{
	{"text/html", "html htm xhtm shtml"},
	{"application/xhtml+xml", "xhtml xht"},
	{"text/css", "css"},
	{"text/javascript", "js mjs cjs"},
	{"application/json", "json map har"},
	{"application/ld+json", "jsonld"},
	{"application/geo+json", "geojson"},
	{"application/manifest+json", "webmanifest"},
	{"application/schema+json", "schema"},
	{"application/wasm", "wasm"},
	{"application/xml", "xml xsl xsd rng"},
	{"application/xslt+xml", "xslt"},
	{"application/atom+xml", "atom"},
	{"application/rss+xml", "rss"},
	{"application/gpx+xml", "gpx"},
	{"application/vnd.google-earth.kml+xml", "kml"},
	{"application/vnd.google-earth.kmz", "kmz"},
	{"application/yaml", "yaml yml"},
	{"application/toml", "toml"},
	{"application/sql", "sql"},
	{"application/graphql", "graphql gql"},
	{"application/x-ndjson", "ndjson jsonl"},
	{"text/plain", "1 2 3 4 5 6 7 8 txt text log conf cfg ini def list in asc diff patch c h cc hh cpp hpp cxx hxx m mm go mod " +
		"sum rs py rb pl pm lua swift kt kts scala hs ml erl ex exs clj lisp el r jl zig nim d s " +
		"asm sh bash zsh fish bat cmd ps1 mk cmake gradle properties env lock jsx ts tsx vue svelte " +
		"scss sass less coffee"},
	{"text/markdown", "md markdown"},
	{"text/csv", "csv"},
	{"text/tab-separated-values", "tsv"},
	{"text/calendar", "ics ifb"},
	{"text/vcard", "vcf vcard"},
	{"text/vtt", "vtt"},
	{"text/x-tex", "tex"},
	{"text/troff", "roff man"},
	{"text/x-rst", "rst"},
	{"text/x-java-source", "java"},
	{"application/x-subrip", "srt"},
	{"image/svg+xml", "svg"},
	{"image/png", "png"},
	{"image/apng", "apng"},
	{"image/jpeg", "jpg jpeg jpe jfif"},
	{"image/gif", "gif"},
	{"image/webp", "webp"},
	{"image/avif", "avif"},
	{"image/heic", "heic"},
	{"image/heif", "heif"},
	{"image/jxl", "jxl"},
	{"image/jp2", "jp2"},
	{"image/x-icon", "ico cur"},
	{"image/bmp", "bmp"},
	{"image/tiff", "tif tiff"},
	{"image/vnd.adobe.photoshop", "psd"},
	{"image/x-portable-pixmap", "ppm"},
	{"image/x-portable-graymap", "pgm"},
	{"image/ktx2", "ktx2"},
	{"font/woff", "woff"},
	{"font/woff2", "woff2"},
	{"font/ttf", "ttf"},
	{"font/otf", "otf"},
	{"font/collection", "ttc"},
	{"application/vnd.ms-fontobject", "eot"},
	{"audio/mpeg", "mp3 mpga mp2"},
	{"audio/mp4", "m4a m4b"},
	{"audio/aac", "aac"},
	{"audio/ogg", "ogg oga spx"},
	{"audio/opus", "opus"},
	{"audio/flac", "flac"},
	{"audio/wav", "wav"},
	{"audio/webm", "weba"},
	{"audio/midi", "mid midi"},
	{"audio/aiff", "aif aiff"},
	{"audio/x-ms-wma", "wma"},
	{"application/vnd.apple.mpegurl", "m3u8"},
	{"audio/x-mpegurl", "m3u"},
	{"video/mp4", "mp4 m4v mp4v"},
	{"video/mp2t", "m2t m2ts mts"},
	{"video/mpeg", "mpg mpeg mpe"},
	{"video/webm", "webm"},
	{"video/ogg", "ogv"},
	{"video/quicktime", "mov qt"},
	{"video/matroska", "mkv"},
	{"audio/matroska", "mka"},
	{"video/x-msvideo", "avi"},
	{"video/x-ms-wmv", "wmv"},
	{"video/x-flv", "flv"},
	{"video/3gpp", "3gp"},
	{"video/3gpp2", "3g2"},
	{"video/iso.segment", "m4s"},
	{"application/dash+xml", "mpd"},
	{"application/pdf", "pdf"},
	{"application/postscript", "ps eps ai"},
	{"application/rtf", "rtf"},
	{"application/epub+zip", "epub"},
	{"application/vnd.amazon.mobi8-ebook", "azw3"},
	{"application/msword", "doc dot"},
	{"application/vnd.ms-excel", "xls"},
	{"application/vnd.ms-powerpoint", "ppt"},
	{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
	{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
	{"application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"},
	{"application/vnd.oasis.opendocument.text", "odt"},
	{"application/vnd.oasis.opendocument.spreadsheet", "ods"},
	{"application/vnd.oasis.opendocument.presentation", "odp"},
	{"application/vnd.oasis.opendocument.graphics", "odg"},
	{"application/vnd.sqlite3", "sqlite sqlite3 db"},
	{"application/zip", "zip"},
	{"application/gzip", "gz tgz"},
	{"application/x-brotli", "br"},
	{"application/zstd", "zst"},
	{"application/x-xz", "xz txz"},
	{"application/x-bzip2", "bz2 tbz2"},
	{"application/x-lzma", "lzma"},
	{"application/x-lz4", "lz4"},
	{"application/x-tar", "tar"},
	{"application/x-7z-compressed", "7z"},
	{"application/vnd.rar", "rar"},
	{"application/x-cpio", "cpio"},
	{"application/x-iso9660-image", "iso"},
	{"application/vnd.ms-cab-compressed", "cab"},
	{"application/java-archive", "jar war ear"},
	{"application/vnd.android.package-archive", "apk"},
	{"application/vnd.debian.binary-package", "deb"},
	{"application/x-rpm", "rpm"},
	{"application/x-apple-diskimage", "dmg"},
	{"application/x-msdownload", "exe dll"},
	{"application/x-msi", "msi"},
	{"application/x-sharedlib", "so"},
	{"application/x-bittorrent", "torrent"},
	{"application/pgp-signature", "sig"},
	{"application/pgp-keys", "pgp gpg"},
	{"application/x-x509-ca-cert", "crt cer der"},
	{"application/x-pem-file", "pem"},
	{"application/vnd.apache.parquet", "parquet"},
	{"application/x-hdf5", "h5 hdf5"},
	{"application/x-ipynb+json", "ipynb"},
	{"application/x-protobuf", "pb"},
	{"application/x-shockwave-flash", "swf"},
	{"application/octet-stream", "bin img dat o a class pyc"},
	{"model/gltf+json", "gltf"},
	{"model/gltf-binary", "glb"},
	{"model/obj", "obj"},
	{"model/stl", "stl"},
	{"model/mtl", "mtl"},
	{"model/vnd.usdz+zip", "usdz"},
}

// typeByExtension is mediaTypes by lower-case extension, with the charset.
var typeByExtension = makeTypeByExtension()

func makeTypeByExtension() map[string]string {
	m := make(map[string]string, 300)
	for _, t := range &mediaTypes {
		name := t.name
		if isText(name) {
			name += "; charset=utf-8"
		}
		for _, e := range strings.Fields(t.extensions) {
			m[e] = name
		}
	}
	return m
}

// isText reports whether a browser wants to be told the charset of a type. JSON
// is UTF-8 by definition, and XML says its own, which a parameter would overrule.
func isText(name string) bool {
	switch name {
	case "application/yaml", "application/toml", "application/sql", "application/x-subrip":
		return true
	}
	return strings.HasPrefix(name, "text/")
}

// contentType gives a file's media type by its name's extension, in any case.
// A name that only begins with a dot has no extension.
func contentType(name []byte) string {
	name = lastComponent(name)
	dot := bytes.LastIndexByte(name, '.')
	if dot <= 0 || len(name)-dot-1 > longestExtension {
		return defaultType
	}
	var lower [longestExtension]byte
	ext := lower[:len(name)-dot-1]
	for i, c := range name[dot+1:] {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		ext[i] = c
	}
	if t, ok := typeByExtension[string(ext)]; ok {
		return t
	}
	return defaultType
}
