// Package process starts, watches, limits and kills child processes that are, as a
// rule, this very program started again. It knows what a process is and nothing of
// tasks or protocols.
//
//	p, err := process.Start(process.Spec{Files: []syscall.Conn{conn}, Stderr: sink})
//	...
//	<-p.Done()
//	log.Print(p.Exit(), p.StderrTail())
//
// and first thing in the child's main:
//
//	child, err := process.HardenChild()
//
// # States
//
//	alive --death--> dead --outputs read--> done
//
// A child is alive until the operating system says that all of its threads are
// gone. Then the rest of its process group is killed, it is reaped, and [Process.Dead]
// is closed: who watches over locks or shared memory acts on this. [Process.Done] is
// closed when what it wrote has been read as well and [Process.Exit] is complete.
//
// Each child is the leader of a process group of its own, so that a terminal's Ctrl-C
// does not reach it and a kill reaches what it has started. "Its group" below are the
// child and those of its descendants that have not moved to another group.
//
// # Guarantees
//
// P1: one goroutine for each child, watch, reaps it. It kills the group after the death and
// before reaping, while the numbers of child and group cannot have been given to
// others, and nothing is sent by number afterwards.
//
// P2: what the child wrote to stdout and stderr before its death reaches the sinks
// and the tail before Done. Reading ends at the end of file, or 100 ms after the
// death, because a grandchild outside of the group may hold the pipe.
//
// P3: after Done nothing of the child is left in this process: no goroutine, no
// descriptor, no zombie.
//
// P4: when this process ends, whatever the reason, the group of each child ends. On
// Linux the kernel itself has sent SIGKILL to all of it before anybody can learn
// that this process is dead, and nothing in the child has to run for it.
//
// P5: a file passed to a child keeps its mode, blocking or not, in the parent too.
//
// P6: on Linux no thread waits for a child, nor for its output.
//
// P7: a child over Spec.MemoryLimit in a sample is killed with its group, and its Exit
// carries the sample.
//
// P8: the children of a hardened child inherit none of its descriptors but 0, 1 and 2.
//
// # The life line
//
// P4 rests on a pipe for each child, of which only this process holds the write end.
// It is never written to. When it closes, the reading end
//
//   - makes the kernel send SIGKILL to the group: it is in O_ASYNC mode, F_SETSIG is
//     SIGKILL, F_SETOWN the group (Linux, see fcntl(2)). The parent sets this up after
//     the fork, and the child once more before anything else.
//   - wakes a thread of the child that blocks in read(2) and then does the same. It is
//     all that there is on other systems; on Linux it also keeps the pipe open
//     when the child closes descriptors that it does not know.
//
// A process closes its files before it becomes a zombie, hence the order in P4. It
// frees its memory before it closes its files, which takes about 0.1 s for each GB; until
// then its children go on.
//
// The signal belongs to the open file of the read end, which goes with the child. A child
// that dies just before its parent, or that ends because another pipe told it a moment
// earlier that the parent is gone, would so leave its descendants behind: 1 of 5000 killed
// parents did on a busy machine. So on Linux the parent has a second pipe for each child,
// both ends of which only it has, that does the same (guard).
//
// Who forks without exec inherits the write end and keeps the line alive; the standard
// library never does. Descendants that left the group are not reached.
//
// PR_SET_PDEATHSIG (SysProcAttr.Pdeathsig) is not used. It kills the child alone, and
// so fast that the child can do nothing for its descendants: with Pdeathsig and an
// end-of-file watch in the child, 85 of 100 killed parents left a grandchild behind, with
// the life line 0 of 5000, and with the life line and Pdeathsig 17 of 20 as soon as the
// parent had 500 MB to free. It also follows the thread that forked, not the process, which asks for one
// immortal thread that does all forks.
//
// # Memory
//
// [Spec.MemoryLimit] is watched from outside by sampling, on Linux only, and
// [LimitData] is a hard limit that a child sets for itself. Control groups are not
// used: they want a delegated subtree of cgroup v2. So a SIGKILL by the kernel's own
// OOM killer looks like any other.
//
// # Concurrency
//
// All methods may be called at any time, from any goroutine, together. The lock
// order is watchdog.mu, then Process.mu. No lock is held while a sink runs.
//
// # Systems
//
//	                  Linux              macOS, BSD         Windows
//	death             pidfd, poller      kqueue, a thread   handle, a thread
//	kill              process group      process group      job object
//	parent's death    kernel, by fcntl   end of file        job object
//	Spec.Files        3, 4, ...          3, 4, ...          handles, see ChildFile
//	MemoryLimit, RSS  yes                ErrUnsupported     ErrUnsupported
//	DumpAndKill       stacks             stacks             kills only
//
// Linux without pidfds (before 5.3, or a sandbox) costs a thread for each child. On
// Windows what a child starts in its first microseconds, before it is in the job, is
// not in the job. Elsewhere Start returns an error wrapping [errors.ErrUnsupported].
package process
