//go:build !race

package early

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// heap is how far the heap is to grow in large pages, in bytes: what a command
// needs before it looks for garbage.
const heap = 96 << 20

// largePage is how large a large page is, in bytes.
const largePage = 2 << 20

// enlarge lets the heap grow in large pages. A page that is touched for the first
// time costs the same, large or small; on virtual machines so much that a small
// command spends a third of its time on it. Only what is touched is taken. The
// system may have none to give, and gives small ones.
//
// The runtime does not say where its heap will grow, but it takes what it has
// mapped before it maps more: so it is made to map that much, and gets it back.
func enlarge() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return // which have the last word on memory
	}
	block := make([]byte, heap)
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(block)))
	skip := -begin & (largePage - 1)
	_ = syscall.Madvise(block[skip:(heap-largePage)], syscall.MADV_HUGEPAGE)
	runtime.KeepAlive(block)
	block = nil
	runtime.GC()
}
