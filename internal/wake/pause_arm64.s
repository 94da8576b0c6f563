#include "textflag.h"

// func pause()
//
// YIELD does nothing on most cores of this architecture; ISB stalls for some ten
// nanoseconds.
TEXT ·pause(SB), NOSPLIT, $0-0
	ISB $15
	RET
