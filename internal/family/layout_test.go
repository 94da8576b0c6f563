package family

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestLayout: what ipc/LAYOUT.md says of the region is what the constants say.
func TestLayout(t *testing.T) {
	text, err := os.ReadFile("../../ipc/LAYOUT.md")
	if err != nil {
		t.Fatal(err)
	}
	offsets := map[string]int{
		"offMagic": offMagic, "offSize": offSize, "offID": offID, "offWarden": offWarden, "offWardenWait": offWardenWait,
		"offJoined": offJoined, "offJoinedWait": offJoinedWait, "offMemberMark": offMemberMark, "offObjectMark": offObjectMark,
		"offAlloc": offAlloc, "offBump": offBump, "offEntryHint": offEntryHint, "offFree": offFree, "offMembers": offMembers,
		"offObjects": offObjects, "offHolds": offHolds, "offBlocks": offBlocks,
		"memState": memState, "memPID": memPID, "memStart": memStart, "memVisiting": memVisiting, "memBurying": memBurying, "memSleeping": memSleeping, "memRung": memRung,
		"objState": objState, "objBlock": objBlock, "objClass": objClass, "objSize": objSize, "objCreator": objCreator,
		"objShape": objShape,
	}
	end := 0 // of the word before
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			end = 0
			continue
		}
		name := strings.TrimSpace(cells[3])
		want, ours := offsets[name]
		if !ours {
			continue
		}
		delete(offsets, name)
		at, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil || at != want {
			t.Errorf("%s is at %d, LAYOUT.md says %s", name, want, cells[1])
		}
		if at < end {
			t.Errorf("%s begins at %d, and what is before it ends at %d", name, at, end)
		}
		end = at
		if width, err := strconv.Atoi(strings.TrimSpace(cells[2])); err == nil {
			end += width
		}
	}
	for name := range offsets {
		t.Errorf("LAYOUT.md does not have %s", name)
	}
	for what, is := range map[string]bool{
		"M is 2048": MaxMembers == 2048, "N is 65536": MaxObjects == 65536, "128 M": memberSize == 128,
		"64 N": objectSize == 64, "8192 M": holdSize == 8192, "`futfaml1`": string(binaryMagic()) == "futfaml1",
		"384 | 296": (largestClass+1)*8 == 296,
	} {
		if !is || !strings.Contains(string(text), what) {
			t.Errorf("%q: LAYOUT.md has it: %v, the code: %v", what, strings.Contains(string(text), what), is)
		}
	}
}

func binaryMagic() []byte {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(magic >> (8 * i))
	}
	return b
}
