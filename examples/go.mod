// The examples are a module of their own, never tagged, so that what they need
// (zstd, terminal detection) is not inherited by users of the library.
module github.com/futures-go/futures/examples

go 1.26.0

require (
	github.com/futures-go/futures v0.0.0
	github.com/klauspost/compress v1.20.3
	golang.org/x/image v0.47.0
	golang.org/x/term v0.47.0
)

require (
	github.com/fxamacker/cbor/v2 v2.10.0 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/futures-go/futures => ../
