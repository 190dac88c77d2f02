package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A benchRow is a line of a table that ringo bench prints of several arms.
type benchRow struct {
	work, engine string
	cells        []string // behind the arm's name
}

// The columns of such a table, behind the arm's name.
const (
	columnIOPS = iota
	columnBandwidth
	columnP50
	columnP99
	columnP999
	columnCPU
	columnCalls
	columnIOPSRatio
	columnCPURatio
	columns
)

var wide = regexp.MustCompile(` {2,}`)

// readTable reads the rows of a table.
func readTable(name string) (rows []benchRow, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		cells := wide.Split(strings.TrimRight(line, " \n"), -1)
		if len(cells) < columns+1 || cells[0] == "arm" {
			continue
		}
		engine, work, _ := strings.Cut(cells[0], " ")
		work = strings.TrimSuffix(work, " batch=fio")
		if rest, auto := strings.CutSuffix(work, " batch=auto"); auto {
			engine, work = engine+", batch=auto", rest
		}
		rows = append(rows, benchRow{work, engine, cells[1:]})
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s holds no table of ringo bench", name)
	}
	return rows, nil
}

// tables prints tables of ringo bench as Markdown, and draws the ratios of those of the article as an SVG.
func tables(svg string, names []string) error {
	var drawn []benchRow
	for _, name := range names {
		rows, err := readTable(name)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s\n\n| work | engine | IOPS (range) | p50 µs | p99 µs | CPU ns per I/O | syscalls per I/O | IOPS ratio | CPU ratio |\n"+
			"|---|---|---|---|---|---|---|---|---|\n", strings.TrimSuffix(filepath.Base(name), ".txt"))
		for _, r := range rows {
			fmt.Printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.work, r.engine, r.cells[columnIOPS], r.cells[columnP50],
				r.cells[columnP99], r.cells[columnCPU], r.cells[columnCalls], r.cells[columnIOPSRatio], r.cells[columnCPURatio])
		}
		if strings.HasPrefix(filepath.Base(name), "article-") {
			drawn = append(drawn, rows...)
		}
	}
	if len(drawn) == 0 {
		return nil
	}
	return os.WriteFile(svg, []byte(drawRatios(drawn)), 0o644)
}

var engineColours = map[string]string{"ringo": "#2563eb", "goread": "#d9480f", "psync": "#9333ea", "libaio": "#2b8a3e",
	"fio:io_uring": "#0b7285", "fio:libaio": "#868e96"}

// drawRatios draws two columns of bars: each engine's IOPS and its CPU time per I/O, as a part of the first engine's.
func drawRatios(rows []benchRow) string {
	const left, width, gap, height = 190, 330, 60, 13
	var b strings.Builder
	y := 64
	panel := func(column int) float64 { return left + float64(column)*(width+gap) }
	scale := func(column int, value float64) float64 { return panel(column) + min(value, 4)/4*width }
	previous := ""
	for _, r := range rows {
		if r.work != previous {
			y += 10
			fmt.Fprintf(&b, `<text x="10" y="%d">%s</text>`+"\n", y+11, r.work)
			previous = r.work
		}
		for column, cell := range []string{r.cells[columnIOPSRatio], r.cells[columnCPURatio]} {
			first, interval, _ := strings.Cut(cell, " ")
			value, err := strconv.ParseFloat(first, 64)
			if err != nil {
				continue
			}
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" fill-opacity="0.8"/>`, panel(column), y,
				scale(column, value)-panel(column), height-2, engineColours[r.engine])
			var low, high float64
			if n, _ := fmt.Sscanf(interval, "(%f-%f)", &low, &high); n == 2 {
				fmt.Fprintf(&b, `<path d="M%.1f %dH%.1f" stroke="black"/>`, scale(column, low), y+height/2, scale(column, high))
			}
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" font-size="9">%.2f</text>`+"\n", scale(column, max(value, high))+4, y+9, value)
		}
		y += height
	}
	var head strings.Builder
	fmt.Fprintf(&head, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n", left+2*(width+gap), y+20)
	for column, title := range []string{"IOPS, as a part of ringo's (more is better)", "CPU time per I/O, as a part of ringo's (less is better)"} {
		fmt.Fprintf(&head, `<text x="%.1f" y="20" font-size="13">%s</text>`, panel(column), title)
		for mark := range 5 {
			x := scale(column, float64(mark))
			fmt.Fprintf(&head, `<path d="M%.1f 64V%d" stroke="#ccc"/><text x="%.1f" y="58" text-anchor="middle" font-size="9">%d</text>`+"\n", x, y, x, mark)
		}
	}
	x := left
	for _, engine := range []string{"ringo", "goread", "psync", "libaio", "fio:io_uring", "fio:libaio"} {
		fmt.Fprintf(&head, `<rect x="%d" y="32" width="10" height="10" fill="%s" fill-opacity="0.8"/><text x="%d" y="41">%s</text>`+"\n",
			x, engineColours[engine], x+14, engine)
		x += 100
	}
	return head.String() + b.String() + "</svg>\n"
}
