package process

import "os"

func newPipe() (r, w *os.File, err error) { return os.Pipe() }

// readNow reads nothing: pipes have no deadline here, so reading ends with the file.
func readNow(*os.File, []byte) int { return 0 }
