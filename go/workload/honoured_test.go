package workload_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ringo-io/ringo/go/workload/jobfile"
)

// notForTheRunner are fields of a job that the runner need not look at.
var notForTheRunner = map[string]string{
	"Job.Source": "for messages", "Setting.Source": "for messages", "Position.Line": "for messages", "Job.NewGroup": "it is in Group",
	"Job.OpenFiles":     "equal to NumFiles, or the job was refused",
	"EngineOptions.Fio": "FioArgs has it",
}

// TestEveryFieldOfAJobIsLookedAt keeps an option from being parsed and then forgotten.
func TestEveryFieldOfAJobIsLookedAt(t *testing.T) {
	used := selectorsOfTheRunner(t)
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Array {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || !strings.HasSuffix(of.PkgPath(), "workload/jobfile") {
			return
		}
		for i := range of.NumField() {
			field := of.Field(i)
			name := of.Name() + "." + field.Name
			if reason := notForTheRunner[name]; !used[field.Name] && reason == "" {
				t.Errorf("%s is set by the parser and looked at by nobody", name)
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[jobfile.Job]())
}

// selectorsOfTheRunner are the names behind a point in the packages that run jobs.
func selectorsOfTheRunner(t *testing.T) map[string]bool {
	used := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "jobfile":
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				used[selector.Sel.Name] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}
