//go:build unix

package local

import (
	"io"
	"os"
	"syscall"
)

// large is from what size a file is read beside the heap: whoever has read what
// is in it needs no more of it, and would otherwise keep its memory for long.
const large = 1 << 20

// readWhole reads a file. Nothing of its data may be kept when it is freed.
func readWhole(path string) (whole, error) {
	f, err := os.Open(path)
	if err != nil {
		return whole{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < large || int64(int(info.Size())) != info.Size() {
		return readPlainly(path)
	}
	data, err := syscall.Mmap(-1, 0, int(info.Size())+1, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return readPlainly(path)
	}
	free := func() { _ = syscall.Munmap(data) }
	n, err := io.ReadFull(f, data)
	if err != io.ErrUnexpectedEOF { // it grew meanwhile, or cannot be read
		free()
		return readPlainly(path)
	}
	return whole{data: data[:n:n], free: free}, nil
}
