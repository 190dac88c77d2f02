package ringoexpvar

import (
	"encoding/json"
	"expvar"
	"testing"

	"github.com/ringo-io/ringo/go/ringo"
)

func TestPublish(t *testing.T) {
	e, err := ringo.New(ringo.WithLoops(1))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	Publish("engine", e)
	for range 2 {
		done := make(chan struct{})
		if err := e.NopFunc(func(error) { close(done) }); err != nil {
			t.Fatal(err)
		}
		<-done
	}
	var got struct {
		Backend string
		Ops     map[string]uint64
		Latency map[string]uint64
	}
	text := expvar.Get("engine").String()
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Backend != e.Backend() || got.Ops["nop"] < 1 || got.Latency["Count"] < 1 {
		t.Errorf("%s", text)
	}
}
