//go:build !linux

package ringo

import (
	"os"
	"syscall"
)

// An openBeneath opens a name below a directory, and only below it.
type openBeneath func(root *os.File, name string) (*os.File, error)

func openRoot(dir string) (*os.File, error) { return os.Open(dir) }

// openToRead goes by os.Root, anew each time: it is told the name of the directory only.
func openToRead(root *os.File, name string) (*os.File, error) {
	tree, err := os.OpenRoot(root.Name())
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return tree.Open(name)
}

func openToStat(root *os.File, name string) (*os.File, error)  { return openToRead(root, name) }
func openToLstat(root *os.File, name string) (*os.File, error) { return openToRead(root, name) }

func openToEnter(root *os.File, name string) (*os.File, error) {
	dir, err := openToRead(root, name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(dir.Fd(), root.Name()+"/"+name), nil
}

func linkTarget(*os.File) (string, error) { return "", syscall.ENOSYS }
