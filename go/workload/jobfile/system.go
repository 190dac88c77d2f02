// SPDX-License-Identifier: MIT

package jobfile

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// configuredCPUs is the number of processors of the machine, whether this process may use them or not.
func configuredCPUs() int {
	if found, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*"); err == nil && len(found) > 0 {
		return len(found)
	}
	return runtime.NumCPU()
}

// memoryMiB is the machine's memory.
func memoryMiB() (int64, error) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, found := strings.CutPrefix(lines.Text(), "MemTotal:"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/meminfo does not say how much memory there is")
}
