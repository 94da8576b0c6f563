package family

// The layout of a family's region, version 1. ipc/LAYOUT.md describes it.
const (
	magic = uint64('f') | 'u'<<8 | 't'<<16 | 'f'<<24 | 'a'<<32 | 'm'<<40 | 'l'<<48 | '1'<<56

	offMagic       = 0
	offSize        = 8
	offID          = 16
	offWarden      = 64  // owner of the member that watches the others
	offWardenWait  = 72  // members that wait for another warden
	offJoined      = 128 // counts those who have joined
	offJoinedWait  = 136 // the warden waits here for them
	offMemberMark  = 192 // members were ever numbered below this
	offObjectMark  = 200 // objects likewise
	offAlloc       = 256 // lock of what follows, and its wait set
	offBump        = 320 // blocks were never given out from here on
	offEntryHint   = 328 // where to look for a free object
	offFree        = 384 // by class: offset of the first free block
	offMembers     = 4096
	memberSize     = 128
	offObjects     = offMembers + MaxMembers*memberSize
	objectSize     = 64
	offHolds       = offObjects + MaxObjects*objectSize
	holdSize       = MaxObjects / 8 // bytes of a member's bits
	offBlocks      = offHolds + MaxMembers*holdSize
	smallestRegion = offBlocks + 64<<20
)

// A member's words.
const (
	memState    = 0 // generation << 32 | status; while joining, process << 8 between them
	memPID      = 8
	memStart    = 16 // start time of the process, in ticks since boot
	memVisiting = 24 // 32 bits: index+1 of the object that it looks at without holding it
	memBurying  = 28 // 32 bits: likewise the one that it repairs after a death
	memSleeping = 64 // 1: the listener sleeps
	memRung     = 72 // bit h: a wait set with hash h was rung
)

// The statuses of a member.
const (
	memberFree = iota
	memberJoining
	memberAlive
	memberBuried // dead, and being repaired
)

// An object's words.
const (
	objState   = 0 // generation << 16 | kind << 8 | status
	objBlock   = 8 // offset of the block
	objClass   = 16
	objSize    = 24 // bytes that were asked for
	objCreator = 32 // owner, while it is being created
	objShape   = 40 // what the kind wants both sides to agree on
)

// The statuses of an object.
const (
	objectFree = iota
	objectCreating
	objectLive
	objectClosed
	objectLeaving
)

const (
	// MaxMembers is how many processes can share objects at a time.
	MaxMembers = 2048
	// MaxObjects is how many objects there can be at a time.
	MaxObjects = 1 << 16

	smallestClass = 7  // 128 bytes
	largestClass  = 36 // 64 GiB
	largeClass    = 16 // blocks of 64 KiB and more give their pages back

	generationBits = 20 // of a member, in an owner
	numberBits     = 12
)

// An owner names a member for ever, or nearly: number+1 in the lower 12 bits, above them
// the generation. 0 is nobody.
func ownerOf(number int, generation uint64) uint32 {
	return uint32(generation&(1<<generationBits-1))<<numberBits | uint32(number+1)
}

func numberOf(owner uint32) int { return int(owner&(1<<numberBits-1)) - 1 }

func memberState(generation uint64, status uint64) uint64 { return generation<<32 | status }

func generationOf(memberState uint64) uint64 { return memberState >> 32 }

// joinerOf returns the process that is joining.
func joinerOf(memberState uint64) int { return int(uint32(memberState) >> 8) }

func objectState(generation uint32, kind uint8, status uint64) uint64 {
	return uint64(generation)<<16 | uint64(kind)<<8 | status
}
