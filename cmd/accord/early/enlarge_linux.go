//go:build !race

package early

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// largePage is how large a large page is, in bytes.
const largePage = 2 << 20

// enlarge lets the heap grow in large pages. To touch a page for the first time
// costs much beside clearing it, on virtual machines so much that a small command
// spends a third of its time on it. Only what is touched is taken. The system may
// have none to give, and gives small ones.
//
// The runtime does not say where its heap will grow, but it takes what it has
// mapped before it maps more: so it is made to map that much, and gets it back.
func enlarge() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return // which have the last word on memory
	}
	block := make([]byte, Heap)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(block))) & (largePage - 1)
	_ = syscall.Madvise(block[skip:], syscall.MADV_HUGEPAGE)
	runtime.KeepAlive(block)
	runtime.GC()
}
