package family

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/futures-go/futures/internal/process"
	"github.com/futures-go/futures/internal/shm"
)

// families are those that this process maps. They stay mapped until it ends: the memory
// is freed with its last process.
var families struct {
	mu        sync.Mutex
	inherited []int // descriptors of families that the parent has, not looked at yet
	known     []*Family
	home      *Family // where this process makes objects
}

// Inherit tells that this process, a worker, has the family behind a descriptor. It is
// mapped when it is needed.
func Inherit(fd int) {
	families.mu.Lock()
	defer families.mu.Unlock()
	families.inherited = append(families.inherited, fd)
}

// Files returns the descriptors of the families that a worker is to inherit: those that
// this process knows. It makes one if there is none yet, so that workers and this process
// have one in common. Where there is no shared memory there are none.
func Files() []syscall.Conn {
	families.mu.Lock()
	defer families.mu.Unlock()
	var files []syscall.Conn
	for _, fd := range families.inherited {
		files = append(files, process.FD(fd))
	}
	if families.home == nil && len(files) == 0 {
		f, err := create(nil, wholeSize)
		if err != nil {
			return nil
		}
		families.home, families.known = f, append(families.known, f)
	}
	// The first is where the workers make their objects too.
	for _, f := range families.known {
		if fd := process.FD(f.region.FD()); f == families.home {
			files = slices.Insert(files, 0, syscall.Conn(fd))
		} else {
			files = append(files, fd)
		}
	}
	return files
}

// Home returns the family in which this process makes objects: its parent's if it is a
// worker, else one that it makes.
func Home(kinds []Kind) (*Family, error) {
	families.mu.Lock()
	defer families.mu.Unlock()
	if err := lookAtInherited(kinds); err != nil {
		return nil, err
	}
	if families.home == nil {
		f, err := create(kinds, wholeSize)
		if err != nil {
			return nil, err
		}
		families.home, families.known = f, append(families.known, f)
	}
	if families.home.kinds == nil {
		families.home.kinds = kinds
	}
	return families.home, nil
}

// Find returns the family of that name.
func Find(id ID, kinds []Kind) (*Family, error) {
	families.mu.Lock()
	defer families.mu.Unlock()
	if err := lookAtInherited(kinds); err != nil {
		return nil, err
	}
	for _, f := range families.known {
		if f.id == id {
			if f.kinds == nil {
				f.kinds = kinds
			}
			return f, nil
		}
	}
	return nil, fmt.Errorf("%w (family %v)", ErrForeign, id)
}

// lookAtInherited maps what the parent has given. The first is where the parent makes its
// objects, and so does this process. The caller holds families.mu.
func lookAtInherited(kinds []Kind) error {
	for len(families.inherited) > 0 {
		f, err := attach(families.inherited[0], kinds)
		if err != nil {
			return err
		}
		families.inherited = families.inherited[1:]
		f.sticky = true
		families.known = append(families.known, f)
		if families.home == nil {
			families.home = f
		}
	}
	return nil
}

// Import maps a family that came from another process over a socket. If this process has
// made no objects yet, it makes them there from now on.
func Import(file *os.File, kinds []Kind) (*Family, error) {
	fd, err := duplicate(file)
	if err != nil {
		return nil, err
	}
	f, err := attach(fd, kinds)
	if err != nil {
		closeDescriptor(fd)
		return nil, err
	}
	families.mu.Lock()
	defer families.mu.Unlock()
	for _, known := range families.known {
		if known.id == f.id {
			return known, f.region.Unmap() // nobody else has seen it
		}
	}
	families.known = append(families.known, f)
	if families.home == nil && len(families.inherited) == 0 {
		families.home = f
	}
	return f, nil
}

// openReadOnly maps a duplicate of the descriptor.
func openReadOnly(file *os.File) (*shm.Region, error) {
	fd, err := duplicate(file)
	if err != nil {
		return nil, err
	}
	r, err := shm.OpenReadOnly(fd, smallestRegion)
	if err != nil {
		closeDescriptor(fd)
	}
	return r, err
}
