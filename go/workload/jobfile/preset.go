// SPDX-License-Identifier: MIT

package jobfile

import (
	"embed"
	"strings"
)

// A Preset is a job file that comes with ringo.
type Preset struct {
	Name    string
	Help    string   // one line: what it measures, and how long that takes
	Text    string   // the job file
	Engines []string // --engine, where the user gives none
	Matrix  []string // --matrix, where the user gives none
}

//go:embed presets/*.fio
var presetFiles embed.FS

var presets = []*Preset{
	{Name: "quick", Help: "4 KiB random and 1 MiB sequential reads and writes of a 256 MiB file, in half a minute"},
	{Name: "cdm", Help: "the eight rows of CrystalDiskMark, in one and a half minutes"},
	{Name: "article", Help: "75 % reads at 9 block sizes and depths, direct and buffered, on all engines",
		Engines: []string{"ringo", "goread", "psync", "libaio", "fio:io_uring", "fio:libaio"},
		Matrix:  []string{"bs=16k,32k,1m", "iodepth=8,16,32", "direct=1,0"}},
}

func init() {
	for _, preset := range presets {
		text, err := presetFiles.ReadFile("presets/" + preset.Name + ".fio")
		if err != nil {
			panic(err)
		}
		preset.Text = string(text)
	}
}

// Presets are the job files that come with ringo. It must not be changed.
func Presets() []*Preset { return presets }

func findPreset(name string) *Preset {
	for _, preset := range presets {
		if preset.Name == name {
			return preset
		}
	}
	return nil
}

func presetNames() string {
	names := make([]string, len(presets))
	for i, preset := range presets {
		names[i] = preset.Name
	}
	return strings.Join(names, ", ")
}

// usePreset takes the engines and the matrix of the preset, unless the user has given others.
func (c *commandLine) usePreset() {
	if c.preset == nil {
		return
	}
	if c.engines == nil {
		c.engines = c.preset.Engines
	}
	if c.matrix != nil {
		return
	}
	for _, axis := range c.preset.Matrix {
		if err := applyMatrix(c, axis); err != nil {
			panic("jobfile: preset " + c.preset.Name + ": " + err.Error())
		}
	}
}

// readPreset reads the preset as a job file, behind those that were named.
func (r *reader) readPreset(preset *Preset, index int) {
	if preset == nil {
		return
	}
	name := "(preset " + preset.Name + ")"
	f := fileReader{reader: r, name: name, index: index, chain: []string{name}}
	f.read(strings.Split(preset.Text, "\n"))
}
