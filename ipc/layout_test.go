package ipc

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// layout are the offsets of words within objects.
var layout = map[string]int{
	"lockWord": 0, "lockWait": 8,
	"queueCapacity": queueCapacity, "queueBytes": queueBytes, "queueRaw": queueRaw, "queueFirst": queueFirst,
	"queueP": queueP, "queueTail": queueTail, "queueRoom": queueRoom, "queueC": queueC, "queueHead": queueHead,
	"queueItems": queueItems, "queueJoin": queueJoin, "queueLost": queueLost, "queueShares": queueShares, "queueData": queueData,
	"shareTaking": shareTaking, "shareDone": shareDone,
	"mutexLock": mutexLock, "recursiveLock": recursiveLock, "recursiveDepth": recursiveDepth,
	"semaphorePermits": semaphorePermits, "semaphoreUnbounded": semaphoreUnbounded, "semaphoreLock": semaphoreLock,
	"semaphoreGate": semaphoreGate, "semaphoreEnough": semaphoreEnough, "semaphoreShares": semaphoreShares,
	"eventState": eventState, "eventSet": eventSet,
	"condMutex": condMutex, "condOwn": condOwn, "condTickets": condTickets, "condGranted": condGranted,
	"condHorizon": condHorizon, "condMark": condMark, "condPlaces": condPlaces,
	"placeWho": placeWho, "placeTicket": placeTicket, "placeSet": placeSet,
	"barrierParties": barrierParties, "barrierTimeout": barrierTimeout, "barrierLock": barrierLock, "barrierState": barrierState,
	"barrierSet": barrierSet, "barrierBreaks": barrierBreaks, "barrierLog": barrierLog, "barrierShares": barrierShares,
	"valueCell": valueCell, "valueSize": valueSize, "valueMutex": valueMutex,
	"valueLock": valueLock, "valueSequence": valueSequence, "valueCopies": valueCopies,
	"arrayLength": arrayLength, "arrayElem": arrayElem, "arrayMutex": arrayMutex, "arrayData": arrayData,
	"bytesLength": bytesLength, "bytesBuilder": bytesBuilder, "bytesData": bytesData,
	"pipeBytes": pipeBytes, "pipeRaw": pipeRaw, "pipeUnread": pipeUnread, "pipeP": pipeP, "pipeTail": pipeTail,
	"pipeC": pipeC, "pipeHead": pipeHead, "pipeRoom": pipeRoom, "pipeItems": pipeItems, "pipeUnreadWait": pipeUnreadWait,
	"pipeData": pipeData, "endRaw": endRaw, "endIn": endIn, "endOut": endOut, "endIssued": endIssued, "endTickets": endTickets,
}

// TestLayout: what LAYOUT.md says of objects is what the constants say. The region's tables
// are compared by package family.
func TestLayout(t *testing.T) {
	text, err := os.ReadFile("LAYOUT.md")
	if err != nil {
		t.Fatal(err)
	}
	end := 0 // of the word before
	said := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			end = 0
			continue
		}
		name := strings.TrimSpace(cells[3])
		if strings.HasPrefix(name, "off") || strings.HasPrefix(name, "mem") || strings.HasPrefix(name, "obj") {
			continue // family's
		}
		at, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue // a heading
		}
		want, ours := layout[name]
		if !ours {
			t.Errorf("LAYOUT.md has %s, which this test does not know", name)
			continue
		}
		said[name] = true
		if at != want {
			t.Errorf("%s is at %d, LAYOUT.md says %d", name, want, at)
		}
		if at < end {
			t.Errorf("%s begins at %d, and what is before it ends at %d", name, at, end)
		}
		if width, err := strconv.Atoi(strings.TrimSpace(cells[2])); err == nil {
			end = at + width
		}
	}
	for name := range layout {
		if !said[name] {
			t.Errorf("LAYOUT.md does not have %s", name)
		}
	}
}
