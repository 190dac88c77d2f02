package workload

import (
	"os"
	"os/exec"
)

// shell runs a command line; what it prints goes to a file.
func shell(command string, out *os.File) error {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}
