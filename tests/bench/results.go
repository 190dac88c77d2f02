package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strings"
	"time"
)

// A rowResult is what a row's servers did, round by round.
type rowResult struct {
	Name    string
	Servers []string
	samples [][]sample
	turns   []longestTurn // of each server
}

// A ratio is the median of the first server's figure to another's, with the 95 % interval.
type ratio struct{ Median, Low, High float64 }

func ratioOf(a, b []sample, of func(sample) float64) ratio {
	var r []float64
	for i := range a {
		if of(b[i]) > 0 { // Else it was too little to be measured.
			r = append(r, of(a[i])/of(b[i]))
		}
	}
	if len(r) == 0 {
		return ratio{}
	}
	sort.Float64s(r)
	low, high := interval(len(r))
	return ratio{median(r), r[low], r[high]}
}

func (r ratio) String() string { return fmt.Sprintf("%.2f (%.2f-%.2f)", r.Median, r.Low, r.High) }

// print writes the row as lines of a Markdown table.
func (r *rowResult) print() {
	if len(r.samples) == 0 {
		return
	}
	first := r.samples[0]
	for i, name := range r.Servers {
		s := r.samples[i]
		line := []string{r.Name, name, fmt.Sprintf("%.0f", median(each(s, sample.perSecond))),
			fmt.Sprintf("%.2f", median(each(s, sample.cpuPerOp))/1e3),
			time.Duration(median(each(s, sample.p99Of))).Round(time.Microsecond).String()}
		if s[0].beside > 0 {
			line = append(line, fmt.Sprintf("%.0f MB/s", median(each(s, sample.besideOf))/1e6))
		} else {
			line = append(line, "")
		}
		if i == 0 {
			line = append(line, "", "", "", "")
		} else {
			line = append(line, ratioOf(first, s, sample.cpuPerOp).String(), ratioOf(first, s, sample.perSecond).String(),
				ratioOf(first, s, sample.p99Of).String())
			if s[0].beside > 0 {
				line = append(line, ratioOf(first, s, sample.besideOf).String())
			} else {
				line = append(line, "")
			}
		}
		line = append(line, r.turns[i].String())
		fmt.Println("| " + strings.Join(line, " | ") + " |")
	}
}

const tableHead = "| work | server | requests/s | CPU µs per request | p99 | beside it | CPU ratio | requests/s ratio | p99 ratio | beside ratio | longest turn: wall, CPU |\n" +
	"|---|---|---|---|---|---|---|---|---|---|---|"

// figures are a row's as they are kept in a file.
type figures struct {
	Work   string
	Server string
	CPU    ratio // of the first server to this one, per request
	Rate   ratio
	P99    ratio
}

// writeResults keeps the ratios, for the chart.
func writeResults(name string, results []rowResult) error {
	var all []figures
	for _, r := range results {
		for i := 1; i < len(r.Servers); i++ {
			all = append(all, figures{r.Name, r.Servers[i], ratioOf(r.samples[0], r.samples[i], sample.cpuPerOp),
				ratioOf(r.samples[0], r.samples[i], sample.perSecond), ratioOf(r.samples[0], r.samples[i], sample.p99Of)})
		}
	}
	out, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(out, '\n'), 0o644)
}

// chart draws the CPU ratios in a file that writeResults has written, as an SVG.
func chart(from, to string) error {
	in, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var all []figures
	if err := json.Unmarshal(in, &all); err != nil {
		return err
	}
	const left, width, height = 330, 420, 22
	scale := func(v float64) float64 { return left + min(v, 1.5)/1.5*width }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		left+width+110, 60+height*len(all))
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="10" y="20" font-size="14">ringo's CPU time per request, as a part of another server's (less is better)</text>`+"\n")
	for i, f := range all {
		y := 40 + i*height
		colour := "#2a7"
		if f.CPU.Median > 1 {
			colour = "#c63"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s / %s</text>`, left-8, y+13, f.Work, f.Server)
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="14" fill="%s"/>`, left, y+2, scale(f.CPU.Median)-left, colour)
		fmt.Fprintf(&b, `<path d="M%.1f %dH%.1f" stroke="black"/>`, scale(f.CPU.Low), y+9, scale(f.CPU.High))
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.2f</text>`+"\n", scale(f.CPU.High)+6, y+13, f.CPU.Median)
	}
	fmt.Fprintf(&b, `<path d="M%.1f 34V%d" stroke="#888" stroke-dasharray="4 3"/>`+"\n</svg>\n", scale(1), 44+height*len(all))
	return os.WriteFile(to, []byte(b.String()), 0o644)
}

// environment says what was measured, and on what.
func environment() string {
	kernel, _ := exec.Command("uname", "-r").Output()
	nginx, _ := exec.Command("nginx", "-v").CombinedOutput()
	return fmt.Sprintf("Linux %s, %s, %s, %d CPUs", strings.TrimSpace(string(kernel)), runtime.Version(),
		strings.TrimSpace(strings.TrimPrefix(string(nginx), "nginx version: ")), runtime.NumCPU())
}
