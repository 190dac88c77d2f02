package fileserver_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"

	"github.com/ringo-io/ringo/go/fileserver"
	"github.com/ringo-io/ringo/go/ringo"
)

// A program with its own handlers and its files on one port.
func Example() {
	api := http.NewServeMux()
	api.HandleFunc("GET /api/hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s!\n", r.PathValue("name"))
	})

	engine, err := ringo.New(fileserver.EngineOptions(2, 1000)...)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	server := &fileserver.Server{
		Root: "public", Engine: engine, MaxConns: 1000,
		Fallback: api, FallbackFor: fileserver.Under("/api/"),
	}
	if err := server.Serve(ctx, listener); err != nil {
		log.Print(err)
	}
}

// The same answers anywhere net/http goes: here behind TLS, in HTTP/2.
func ExampleHandler() {
	files, err := fileserver.NewHandler("public", fileserver.Options{NoListing: true})
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	http.Handle("/files/", http.StripPrefix("/files", files))
	log.Print(http.ListenAndServeTLS(":8443", "cert.pem", "key.pem", nil))
}
