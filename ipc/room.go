package ipc

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/futures-go/futures/internal/family"
)

// askedRoom is the size from which a new object is compared with what the machine has left.
const askedRoom = 64 << 20

// createLarge is create for objects of any size. Who asks for more memory than there is gets
// an error: the kernel would give it page by page, and when there is none left kill somebody.
func createLarge(kind uint8, size int, shape uint64, init func(o *family.Object)) (*family.Object, error) {
	if size >= askedRoom {
		left, known := memoryLeft()
		for try := 0; known && uint64(size) > left; try++ {
			if try == 0 {
				runtime.GC() // for what this process has closed and not let go of
			} else if try == 20 {
				return nil, fmt.Errorf("%w: %d bytes, and the machine has %d left", ErrTooLarge, size, left)
			}
			time.Sleep(5 * time.Millisecond) // letting go goes on after the collection
			left, known = memoryLeft()
		}
	}
	o, err := create(kind, size, shape, init)
	for try := 0; errors.Is(err, family.ErrFull) && try < 20; try++ {
		if try == 0 {
			runtime.GC() // as above
		}
		time.Sleep(5 * time.Millisecond)
		o, err = create(kind, size, shape, init)
	}
	return o, err
}
