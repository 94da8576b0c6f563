package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/bench/internal/harness"
)

func sharedMemory() harness.System {
	return adapter{
		connect: connectRings,
		locks:   func(processes int) (contest, error) { return newBareContest(processes, "lock") },
		adds:    func(processes int) (contest, error) { return newBareContest(processes, "add") },
		memory:  newBareMemory,
	}.answers(harness.System{
		Name:  "shared-memory",
		About: "a floor: a memfd with a ring each way, a lock of one compare-and-swap, an atomic addition; a descriptor over a Unix socket as a handle; whoever waits spins and yields",
		Find:  harness.Go,
	})
}

// memoryFile is the descriptor of the memory, or of the socket, in another process.
const memoryFile = 3

// startWith starts this program in a role, with a file.
func startWith(role string, file *os.File, variables ...string) (*exec.Cmd, error) {
	cmd, err := inRole(role)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, variables...)
	cmd.ExtraFiles = []*os.File{file}
	return cmd, cmd.Start()
}

// yield lets others run.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// yieldWhile returns a wait that yields, and an error once the process is gone that
// should end it.
func yieldWhile(there func() bool) func() error {
	calls := 0
	return func() error {
		yield()
		if calls++; calls%1000 == 0 && !there() {
			return errors.New("the other process is gone")
		}
		return nil
	}
}

// parentThere returns a function that reports whether the parent is still the same.
func parentThere() func() bool {
	parent := os.Getppid()
	return func() bool { return os.Getppid() == parent }
}

// A ringSide is a ring in each direction.
type ringSide struct{ to, from *ring }

func (r ringSide) send(b []byte) error             { return r.to.put(b) }
func (r ringSide) recv(buf []byte) ([]byte, error) { return r.from.get(buf) }

type ringEnd struct {
	ringSide
	memory *mapped
	cmd    *exec.Cmd
}

func connectRings(size int) (end, error) {
	n := ringSize(size)
	m, err := newMapped(2 * (ringHead + n))
	if err != nil {
		return nil, err
	}
	cmd, err := startWith("ring", m.file)
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	there := func() bool { return unix.Kill(cmd.Process.Pid, 0) == nil }
	return &ringEnd{ringSide{ringAt(m, 0, n, yieldWhile(there)), ringAt(m, ringHead+n, n, yieldWhile(there))}, m, cmd}, nil
}

func (r *ringEnd) close() error {
	err := r.send(order(orderEnd, 0, 0))
	return errors.Join(err, r.cmd.Wait(), r.memory.close())
}

func serveRing() error {
	m, err := mapFile(os.NewFile(memoryFile, "memory"))
	if err != nil {
		return err
	}
	n := len(m.data)/2 - ringHead
	wait := yieldWhile(parentThere())
	return serveOther(ringSide{ringAt(m, ringHead+n, n, wait), ringAt(m, 0, n, wait)})
}

// The words of a contest, a cache line each.
const (
	wordLock  = 0
	wordAdded = 64
	wordPlain = 128
	wordReady = 192 // how many other processes are there
	wordStart = 256 // in ns since 1970; 0 before it is known
	wordEnd   = 320
	wordTotal = 384 // what the other processes have counted
	wordRate  = 448 // the sum of their rates
)

// contestVariable tells what another process does.
const contestVariable = "FUTURES_BENCH_CONTEST"

// bareContest is a contest on words of shared memory.
type bareContest struct {
	memory *mapped
	does   string
	others []*exec.Cmd
}

func newBareContest(processes int, does string) (contest, error) {
	m, err := newMapped(os.Getpagesize())
	if err != nil {
		return nil, err
	}
	c := &bareContest{memory: m, does: does}
	for range processes - 1 {
		cmd, err := startWith("contest", m.file, contestVariable+"="+does)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.others = append(c.others, cmd)
	}
	for began := time.Now(); m.word(wordReady).Load() < uint64(processes-1); yield() {
		if time.Since(began) > 30*time.Second {
			return nil, errors.Join(errors.New("the other processes do not come"), c.close())
		}
	}
	return c, nil
}

func (c *bareContest) run(start, end time.Time) (share, error) {
	c.memory.word(wordEnd).Store(uint64(end.UnixNano()))
	c.memory.word(wordStart).Store(uint64(start.UnixNano()))
	all := c.memory.contend(c.does, start, end)
	for _, cmd := range c.others {
		if err := cmd.Wait(); err != nil {
			return share{}, err
		}
	}
	processes := len(c.others) + 1
	c.others = nil
	all = all.plus(share{int64(c.memory.word(wordTotal).Load()), float64(c.memory.word(wordRate).Load())})
	if c.does == "add" {
		return all, counted(int64(c.memory.word(wordAdded).Load()), all.N)
	}
	return all, counted(int64(binary.LittleEndian.Uint64(c.memory.data[wordPlain:])), int64(processes*checkedLocks))
}

func (c *bareContest) close() error {
	for _, cmd := range c.others {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it says that it was killed
	}
	return c.memory.close()
}

func serveContest() error {
	m, err := mapFile(os.NewFile(memoryFile, "memory"))
	if err != nil {
		return err
	}
	m.word(wordReady).Add(1)
	wait := yieldWhile(parentThere())
	for m.word(wordStart).Load() == 0 {
		if err := wait(); err != nil {
			return err
		}
	}
	start, end := time.Unix(0, int64(m.word(wordStart).Load())), time.Unix(0, int64(m.word(wordEnd).Load()))
	mine := m.contend(os.Getenv(contestVariable), start, end)
	m.word(wordTotal).Add(uint64(mine.N))
	m.word(wordRate).Add(uint64(mine.Rate))
	return nil
}

// contend is what each process does.
func (m *mapped) contend(does string, start, end time.Time) share {
	if does == "add" {
		added := m.word(wordAdded)
		return during(start, end, func() {
			for range batchSize {
				added.Add(1)
			}
		})
	}
	word := m.word(wordLock)
	lock := func() {
		for spins := 0; !word.CompareAndSwap(0, 1); spins++ {
			if spins > ringSpins {
				yield()
			}
		}
	}
	done := during(start, end, func() {
		for range batchSize {
			lock()
			word.Store(0)
		}
	})
	plain := m.data[wordPlain:]
	for range checkedLocks {
		lock()
		binary.LittleEndian.PutUint64(plain, binary.LittleEndian.Uint64(plain)+1)
		word.Store(0)
	}
	return done
}

// bareMemory is a process that gets descriptors over a socket. What it is told is a
// byte, what to do, and 32 bits, with which mapping of those that it keeps.
type bareMemory struct {
	conn *net.UnixConn
	cmd  *exec.Cmd
	made uint32 // the number of the last object
}

const (
	lookNew    = 'n' // map the descriptor that comes along, look, and keep it
	lookAgain  = 'a' // look
	lookForget = 'f' // unmap it
)

func newBareMemory() (memory, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket")
	cmd, err := startWith("memory", theirs)
	if err := errors.Join(err, theirs.Close()); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	conn, err := connOf(ours)
	if err != nil {
		return nil, err
	}
	return &bareMemory{conn: conn, cmd: cmd}, nil
}

// connOf makes a connection of a file, which it closes.
func connOf(file *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

func (b *bareMemory) close() error {
	return errors.Join(b.conn.Close(), b.cmd.Wait())
}

// ask sends an order, with a file if it is not nil, and returns what was seen and
// how long that took over there.
func (b *bareMemory) ask(what byte, number uint32, file *os.File) (view, time.Duration, error) {
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	if _, _, err := b.conn.WriteMsgUnix(binary.LittleEndian.AppendUint32([]byte{what}, number), rights, nil); err != nil {
		return view{}, 0, err
	}
	var answer [18]byte
	n, err := b.conn.Read(answer[:])
	if err == nil && n != len(answer) {
		err = fmt.Errorf("an answer of %d bytes", n)
	}
	return view{answer[0], answer[1], int(binary.LittleEndian.Uint64(answer[2:]))},
		time.Duration(binary.LittleEndian.Uint64(answer[10:])), err
}

func (b *bareMemory) create(data []byte) (object, error) {
	m, err := newMapped(len(data))
	if err != nil {
		return nil, err
	}
	copy(m.data, data)
	b.made++
	return &bareObject{memory: b, mapped: m, number: b.made}, nil
}

type bareObject struct {
	memory *bareMemory
	mapped *mapped
	number uint32
	known  bool
}

func (o *bareObject) look() (v view, err error) {
	if o.known {
		v, _, err = o.memory.ask(lookAgain, o.number, nil)
		return v, err
	}
	v, _, err = o.memory.ask(lookNew, o.number, o.mapped.file)
	o.known = true
	return v, err
}

func (o *bareObject) close() (err error) {
	if o.known {
		_, _, err = o.memory.ask(lookForget, o.number, nil)
	}
	return errors.Join(err, o.mapped.close())
}

func (b *bareMemory) attach(objects []object, want view) (time.Duration, error) {
	var sum time.Duration
	for _, o := range objects {
		v, took, err := b.ask(lookNew, 0, o.(*bareObject).mapped.file)
		if err == nil {
			var forgetting time.Duration
			_, forgetting, err = b.ask(lookForget, 0, nil)
			sum += took + forgetting
		}
		if err == nil {
			err = seen([]view{v}, 1, want)
		}
		if err != nil {
			return 0, err
		}
	}
	return sum / time.Duration(len(objects)), nil
}

func serveMemory() error {
	conn, err := connOf(os.NewFile(memoryFile, "socket"))
	if err != nil {
		return err
	}
	kept := make(map[uint32]*mapped)
	for {
		var what [5]byte
		rights := make([]byte, unix.CmsgSpace(4))
		n, nr, _, _, err := conn.ReadMsgUnix(what[:], rights)
		if n == 0 || err != nil {
			return nil // the parent has closed it
		}
		start := time.Now()
		number := binary.LittleEndian.Uint32(what[1:])
		if what[0] == lookNew {
			if kept[number], err = mapRights(rights[:nr]); err != nil {
				return err
			}
		}
		m, known := kept[number]
		if !known {
			return fmt.Errorf("there is no object %d", number)
		}
		v := viewOf(m.data)
		if what[0] == lookForget {
			delete(kept, number)
			if err := m.close(); err != nil {
				return err
			}
		}
		answer := binary.LittleEndian.AppendUint64([]byte{v.First, v.Last}, uint64(v.Size))
		answer = binary.LittleEndian.AppendUint64(answer, uint64(time.Since(start)))
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// mapRights maps the descriptor that came with a message.
func mapRights(rights []byte) (*mapped, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(err, errors.New("no descriptor came, or more than one: "+strconv.Itoa(len(messages))))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return mapFile(os.NewFile(uintptr(fds[0]), "memory"))
}
