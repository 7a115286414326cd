package plugin

import (
	"os"
	"runtime"
)

// longest is how long the path of a Unix socket may be, on the system that lets
// it be the shortest.
const longest = 103

// sockets is the folder in which a folder for sockets is made: that of temporary
// files, unless it is so deep that nobody could listen there.
func sockets() string {
	dir := os.TempDir()
	if runtime.GOOS != "windows" && len(dir)+len("/accord-provider-1234567890/plugin1234567890") > longest {
		return "/tmp"
	}
	return dir
}
