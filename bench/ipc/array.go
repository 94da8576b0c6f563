package ipc

import (
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/ipc"
)

var (
	defLookArray   = defineLook[*ipc.Array[byte]]("array")
	defAttachArray = defineAttach[ipc.Array[byte], *ipc.Array[byte]]("array")
)

func array() harness.System {
	return adapter{
		memory: (&ourMemory[*ipc.Array[byte]]{make: ipc.NewArrayFrom[byte], look: defLookArray, opening: defAttachArray}).open,
	}.answers(harness.System{
		Name:  "ipc-array",
		About: "Array[byte], which all processes may write",
		Ours:  true,
		Find:  harness.Module("github.com/futures-go/futures"),
	})
}
