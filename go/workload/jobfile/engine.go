// SPDX-License-Identifier: MIT

package jobfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// engineByName are the engines by every name they go by.
var engineByName = map[string]Engine{
	"psync": EnginePsync, "sync": EnginePsync, "vsync": EnginePsync, "pvsync": EnginePsync, "pvsync2": EnginePsync,
	"ringo": EngineRingo, "io_uring": EngineRingo, "threads": EngineThreads, "goread": EngineGoRead,
	"libaio": EngineLibaio, "null": EngineNull,
}

// fioEngines are fio's other engines. They run only as fio:NAME, by the installed fio.
var fioEngines = []string{"posixaio", "mmap", "splice", "sg", "filecreate", "filestat", "filedelete", "falloc",
	"ftruncate", "e4defrag", "cpuio", "net", "netsplice", "rdma", "rbd", "rados", "http", "gfapi", "gfapi_async", "nbd",
	"libpmem", "pmemblk", "dev-dax", "libaio", "io_uring", "io_uring_cmd", "psync", "sync", "vsync", "pvsync", "pvsync2",
	"null", "exec", "nfs", "ime_psync", "ime_psyncv", "ime_aio", "libzbc", "libiscsi", "libhdfs", "external", "solarisaio",
	"windowsaio", "binject", "fusion-aw-sync", "mtd", "dfs", "libcufile", "xnvme"}

func (e Engine) String() string {
	return [...]string{"psync", "ringo", "threads", "goread", "libaio", "null", "fio"}[e]
}

// like is the engine whose options are known to this one: fio:io_uring has those of io_uring.
func (e EngineOptions) like() Engine {
	if e.Engine == EngineFio {
		if engine, ours := engineByName[e.Fio]; ours {
			return engine
		}
		return EnginePsync
	}
	return e.Engine
}

// parseEngine gives the engine of a name, with its options at their defaults.
func parseEngine(name string) (EngineOptions, error) {
	options := EngineOptions{Name: name, SQPollCPU: -1, NonVectored: true}
	if fio, isFio := strings.CutPrefix(name, "fio:"); isFio {
		if !slices.Contains(fioEngines, fio) {
			return options, fmt.Errorf("fio has no engine %q%s", fio, suggestion(nearest(fio, fioEngines)))
		}
		options.Engine, options.Fio = EngineFio, fio
		return options, nil
	}
	engine, known := engineByName[name]
	if known {
		options.Engine = engine
		return options, nil
	}
	if slices.Contains(fioEngines, name) {
		return options, fmt.Errorf("engine %q is not supported; fio:%s runs it by the installed fio", name, name)
	}
	names := make([]string, 0, len(engineByName))
	for name := range engineByName {
		names = append(names, name)
	}
	slices.Sort(names)
	return options, fmt.Errorf("there is no engine %q%s", name, suggestion(nearest(name, names)))
}

// storeEngine resets the options of the engine before, unless both engines have the same.
func storeEngine(d *draft, v value) error {
	next, err := parseEngine(v.text)
	if err != nil {
		return err
	}
	if d.Engine.Name != "" && next.like() == d.Engine.like() {
		kept := d.Engine
		kept.Engine, kept.Name, kept.Fio = next.Engine, next.Name, next.Fio
		next = kept
	}
	d.Engine = next
	return nil
}

func storeSQPoll(d *draft, v value) error {
	d.Engine.SQPoll = v.numbers[0] == 1
	return nil
}

func storeSQPollCPU(d *draft, v value) error {
	d.Engine.SQPollCPU = int(v.numbers[0])
	return nil
}

func storeNonVectored(d *draft, v value) error {
	d.Engine.NonVectored = v.numbers[0] != 0
	return nil
}

func storeSubmitMode(_ *draft, v value) error {
	if v.text == "offload" {
		return errors.New("offload is not supported: a job submits its own I/Os")
	}
	return nil
}
