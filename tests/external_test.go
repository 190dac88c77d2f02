package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const externalProgram = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ringo-io/ringo/go/ringo"
)

func main() {
	data, err := ringo.ReadFile(context.Background(), os.Args[0])
	fmt.Println(len(data) > 0, err)
}
`

// TestExternalModule: a program outside of this module needs nothing but go build.
func TestExternalModule(t *testing.T) {
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.go": externalProgram,
		"go.mod": "module example.com/outside\n\ngo 1.24.0\n\nrequire github.com/ringo-io/ringo v0.0.0\n\n" +
			"replace github.com/ringo-io/ringo => " + here + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", "outside", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(dir, "outside")).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "true <nil>" {
		t.Errorf("the program: %v\n%s", err, out)
	}
}
