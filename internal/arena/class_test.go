package arena

import "testing"

// Each class serves exactly the sizes between the one before and its own, and
// wastes at most a third.
func TestClasses(t *testing.T) {
	for class := range classes {
		size := sizeOf(class)
		if size <= 0 || size%grain != 0 || size%64 != 0 {
			t.Fatalf("class %d has blocks of %d bytes", class, size)
		}
		if got := classOf(size); got != class {
			t.Errorf("%d bytes go to class %d, want %d", size, got, class)
		}
		if class == 0 {
			continue
		}
		least := sizeOf(class-1) + 1
		if got := classOf(least); got != class {
			t.Errorf("%d bytes go to class %d, want %d", least, got, class)
		}
		if waste := size - least; waste > size/3 {
			t.Errorf("class %d wastes %d of %d bytes", class, waste, size)
		}
	}
	for n := range sizeOf(0) {
		if classOf(n) != 0 {
			t.Fatalf("%d bytes go to class %d", n, classOf(n))
		}
	}
}
