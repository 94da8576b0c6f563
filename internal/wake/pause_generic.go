//go:build !amd64 && !arm64

package wake

import "sync/atomic"

var pauseWord atomic.Uint32

// pause takes about as long as the instruction that this CPU may have for it.
func pause() {
	for range 8 {
		pauseWord.Load()
	}
}
