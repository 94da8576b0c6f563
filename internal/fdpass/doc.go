// Package fdpass passes open files between processes of one user, over Unix sockets.
//
// FP1: nobody else is talked to: the kernel tells both sides whose process is at the other
// end, before a byte is read or written.
//
// FP2: a descriptor that was received is in exactly one [os.File], close-on-exec, or
// closed.
//
// FP3: Serve leaves no goroutine, connection or listener behind.
//
// The user is that of the process that made the connection, or the listener. A process that
// is handed a connection by such a process acts for it; what is secret is asked for on top.
//
// On other systems than Linux what passes files returns an error wrapping
// errors.ErrUnsupported.
package fdpass
