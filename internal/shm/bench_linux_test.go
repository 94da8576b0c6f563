package shm_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/internal/shm"
)

// What does access to a word cost, beyond the access.
func BenchmarkWords(b *testing.B) {
	r, err := shm.Create("bench", shm.PageSize())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.Close() })
	b.Run("Uint64", func(b *testing.B) {
		for b.Loop() {
			r.Uint64(64)
		}
	})
	b.Run("CheckRange", func(b *testing.B) {
		for b.Loop() {
			if r.CheckRange(64, 128) != nil {
				b.Fatal()
			}
		}
	})
	b.Run("Publishing", func(b *testing.B) {
		for b.Loop() {
			r.Publishing(64)
		}
	})
}

// What does a page cost: touched without or with Reserve, and given back.
func BenchmarkPages(b *testing.B) {
	const pages = 1024
	page := shm.PageSize()
	r, err := shm.Create("bench", pages*page)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.Close() })
	touch := func() {
		for i := 0; i < r.Size(); i += page {
			r.Bytes()[i] = 1
		}
	}
	punch := func() {
		if err := r.Punch(0, r.Size()); err != nil {
			b.Fatal(err)
		}
	}
	perPage := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pages, "ns/page")
	}
	b.Run("touch+punch", func(b *testing.B) {
		for b.Loop() {
			touch()
			punch()
		}
		perPage(b)
	})
	b.Run("reserve+touch+punch", func(b *testing.B) {
		for b.Loop() {
			if err := r.Reserve(0, r.Size()); err != nil {
				b.Fatal(err)
			}
			touch()
			punch()
		}
		perPage(b)
	})
	b.Run("fallocate+touch+punch", func(b *testing.B) {
		for b.Loop() {
			if err := unix.Fallocate(r.FD(), 0, 0, int64(r.Size())); err != nil {
				b.Fatal(err)
			}
			touch()
			punch()
		}
		perPage(b)
	})
}

// What does a region cost from Create to its end.
func BenchmarkCreate(b *testing.B) {
	for _, test := range []struct {
		name string
		end  func(*shm.Region) error
	}{{"Close", (*shm.Region).Close}, {"Unmap", (*shm.Region).Unmap}} {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				r, err := shm.Create("bench", 1<<20)
				if err != nil {
					b.Fatal(err)
				}
				if err := test.end(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
