// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ringo-io/ringo/cmd/ringo/internal/accesslog"
	"github.com/ringo-io/ringo/go/fileserver"
	"github.com/ringo-io/ringo/go/ringo"
)

// metrics are what a worker tells of itself on the address of --metrics, over net/http: the loops serve files alone.
type metrics struct {
	engine   *ringo.Engine
	counters *fileserver.Counters
	log      *accesslog.Log // nil for none
	restarts int
	stopping atomic.Bool
}

var (
	answersMetric        = describe("http_answers_total", "Answers that have ended, by class of status.", "class")
	bodyBytesMetric      = describe("http_body_bytes_total", "Bytes of bodies of answers that have ended.")
	cutMetric            = describe("http_answers_cut_total", "Answers whose connection ended before they did.")
	acceptedMetric       = describe("http_connections_total", "Connections accepted.")
	openMetric           = describe("http_connections", "Connections open.")
	partsMetric          = describe("http_file_parts_total", "Parts of files, by how they went out: with the answer's head, or by sendfile.", "how")
	namesMetric          = describe("http_names_total", "Names looked up, by whether the cache knew them or they were opened.", "how")
	chunksMetric         = describe("sendfile_chunks_total", "Chunks sent by sendfile(2).")
	missesMetric         = describe("sendfile_misses_total", "Bodies handed to splices because they were not cached.")
	turnsMetric          = describe("loop_turns_total", "Kernel entries of the loops.")
	deliveriesMetric     = describe("loop_deliveries_total", "Turns that had something to deliver.")
	completionsMetric    = describe("loop_completions_total", "Completions delivered.")
	submittedMetric      = describe("loop_requests_total", "Requests submitted to the kernel.")
	doorbellsMetric      = describe("loop_doorbells_total", "Times that a sleeping loop was woken.")
	overflowsMetric      = describe("loop_overflows_total", "Times that a completion queue had overflowed.")
	starvedMetric        = describe("loop_receives_starved_total", "Times that a receive found no buffer.")
	backoffsMetric       = describe("loop_accept_backoffs_total", "Times that accepting paused for want of descriptors or memory.")
	longestTurnMetric    = describe("loop_longest_turn_seconds", "The longest that a loop stayed out of the kernel.")
	longestTurnCPUMetric = describe("loop_longest_turn_cpu_seconds", "The most CPU time that a loop used while it stayed out of the kernel once.")
	inFlightMetric       = describe("loop_in_flight", "Operations in flight.")
	droppedMetric        = describe("access_log_dropped_total", "Lines of the access log dropped because the log was too slow.")
	lostMetric           = describe("access_log_lost_total", "Lines of the access log that could not be written.")
	restartsMetric       = describe("worker_restarts_total", "Workers that had crashed before this one.")
	infoMetric           = describe("info", "What serves; always 1.", "backend")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ringo_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector: the metrics are those that Collect gives.
func (m *metrics) Describe(descriptions chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(m, descriptions)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	n := m.counters.Counts()
	for class := 1; class < len(n.Answers); class++ {
		counter(answersMetric, n.Answers[class], fmt.Sprintf("%dxx", class))
	}
	counter(bodyBytesMetric, n.BodyBytes)
	counter(cutMetric, n.Cut)
	counter(acceptedMetric, n.Accepted)
	gauge(openMetric, float64(n.Open))
	counter(partsMetric, n.FilesRead, "head")
	counter(partsMetric, n.FilesSent, "sendfile")
	counter(namesMetric, n.Known, "known")
	counter(namesMetric, n.Opened, "opened")

	s := m.engine.Stats()
	counter(chunksMetric, s.SendfileCalls)
	counter(missesMetric, s.SendfileMisses)
	counter(turnsMetric, s.Turns)
	counter(deliveriesMetric, s.Deliveries)
	counter(completionsMetric, s.Completions)
	counter(submittedMetric, s.Submitted)
	counter(doorbellsMetric, s.Doorbells)
	counter(overflowsMetric, s.Overflows)
	counter(starvedMetric, s.Starved)
	counter(backoffsMetric, s.Backoffs)
	gauge(longestTurnMetric, s.LongestTurn.Seconds())
	gauge(longestTurnCPUMetric, s.LongestTurnCPU.Seconds())
	gauge(inFlightMetric, float64(s.InFlight))

	if m.log != nil {
		counter(droppedMetric, m.log.Dropped())
		counter(lostMetric, m.log.Lost())
	}
	counter(restartsMetric, uint64(m.restarts))
	gauge(infoMetric, 1, m.engine.Backend())
}

// serve answers on ln until that is closed.
func (m *metrics) serve(ln net.Listener) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", m.health)
	handleAttempts(mux, m.engine)
	server := http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	_ = server.Serve(ln) // It ends when the listener is closed, and before that there is nobody to tell.
}

func (m *metrics) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if m.stopping.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "stopping")
		return
	}
	fmt.Fprintln(w, "ok")
}
