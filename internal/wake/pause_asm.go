//go:build amd64 || arm64

package wake

// pause tells the CPU that this is a loop of polls: it saves power, leaves the
// execution units to the other hyperthread, and spares the pipeline flush when the
// polled word changes. It takes 10 to 50 ns. Go has no such function to call, its
// runtime keeps procyield to itself.
func pause()
