// Package codec turns arguments, results and errors of tasks into bytes, for processes
// on the same host and on others, which may be written in another language. It stands on
// github.com/fxamacker/cbor and adds what that leaves open: checks of types that name
// the field, a bound on depth before a cycle of pointers overflows the stack, short ways
// for the types of short tasks, errors, and values of a context.
//
// # What holds
//
// C1: what cannot travel is refused before it is sent, and the error names the field.
//
// C2: what Append makes, Decode takes, and it gives an equal value, but for what the next
// section lists.
//
// C3: Decode, DecodeError and DecodeContext neither panic nor hang on any bytes.
//
// C4: there is one format. The same value makes the same bytes, whichever path of this
// package encodes it.
//
// C5: an error always travels. AppendError and DecodeError cannot fail.
//
// C6: no lock is held while methods of users' types run, and a panic in one of them is an
// error.
//
// # What does not travel
//
//   - Unexported fields, as with encoding/json. A struct that has nothing else is refused,
//     unless it encodes itself.
//   - The sameness of pointers: two that lead to one value lead to two. Cycles are refused.
//   - Inside an any, the Go type: it comes back as one of nil, bool, int64, *big.Int where
//     that is too small, float64, string, []byte, []any, map[string]any and time.Time.
//   - Of a time, the zone and the monotonic reading.
//   - A field that the receiver's struct does not have; one that the sender's did not have
//     stays zero. Programs of different versions can so work together.
//
// Refused are chan, func, complex numbers, uintptr, unsafe.Pointer, interfaces with
// methods (error too), and text that is not UTF-8. A struct is refused too if it has
// methods to encode itself only because it embeds a type that has them: it would travel
// as that type alone.
//
// What the library takes without an error: null for anything, as its zero value; and for
// a Go array an array of another length, cut or filled with zeros. A Go program of the
// same types never sends such.
//
// # Format, version 1
//
// A value is one CBOR data item (RFC 8949), and nothing follows it. Append writes the core
// deterministic encoding (section 4.2). Decode takes longer forms of numbers and lengths
// and any order of keys too; it refuses items of indefinite length, duplicate keys, and
// text that is not UTF-8.
//
//	Go type                     CBOR item
//	bool                        false or true
//	int, uint of all sizes      major type 0 or 1; out of the type's range is refused
//	float32, float64            float of 16, 32 or 64 bits, the shortest that is exact
//	string                      text
//	[]byte                      byte string, or null for nil
//	[N]byte                     byte string of N bytes
//	[]T                         array, or null for nil
//	[N]T                        array of N elements
//	map[K]V                     map, or null for nil
//	struct                      map from names to fields
//	 keyasint                   the key is this integer instead of a name
//	 toarray                    array of all fields as declared
//	*T                          as T, or null for nil
//	time.Time                   tag 0 and RFC 3339 text in UTC
//	big.Int                     integer, or beyond 64 bits tag 2 or 3 and a byte string
//	any                         as what it holds, or null for nil
//	MarshalCBOR                 the item that the method returns
//	MarshalBinary               byte string
//	MarshalText                 text
//	Marshal                     byte string; arguments, values, errors and context values only
//
// The last four are types with the method and its counterpart (UnmarshalCBOR and so on),
// the first that applies; a type with only one half is as if it had none. Marshal and
// Unmarshal, which generated protobuf messages may have, are heeded where the type itself
// is what travels, not in a field of it. Names of fields are those of the cbor tag, else
// of the json tag, else their own.
//
// An error record is a map with integer keys, of which a reader ignores those that it does
// not know:
//
//	key  item                          meaning
//	1    text                          the error's type: *fs.PathError
//	2    text                          its message
//	3    text                          the stack where it was returned or panicked, if known
//	4    array of text                 names of sentinels that it matches, sorted
//	5    array of [text, item] pairs   values of registered types in it, outermost first
//
// A name of a sentinel is one that RegisterSentinel gave to it, one of the list in
// registry.go, or syscall.Errno:SYSTEM:NUMBER with SYSTEM as of runtime.GOOS (and /mips
// behind it on that processor).
//
// The record of a context is a map from the names of RegisterContextValue to values; a
// reader ignores those that it does not know. No bytes at all are an empty one.
//
// The bounds:
//
//	MaxDepth         256         arrays, maps and pointers inside each other
//	MaxElements      134217728   elements of an array, pairs of a map
//	MaxErrorType     1024        bytes of an error's type
//	MaxErrorMessage  65536       bytes of its message; what is longer is cut
//	MaxErrorStack    65536       bytes of its stack; what is longer is cut
//	MaxErrorNames    64          names of sentinels; more are dropped
//	MaxErrorValues   8           values of registered types; more are dropped
//	MaxErrorValue    16384       bytes of such a value; a longer one is dropped
//	MaxName          256         bytes of a registered name
//
// # Trust
//
// Bytes come from a peer that may be hostile. The library compares every length with the
// bytes that are there before it uses it. It reads them several times: who decodes from
// memory that a peer may write meanwhile copies them first, unless the value is a string
// or a []byte, which are copied by the fast path in one go.
//
// A method of a user's type that calls os.Exit or runtime.Goexit, recurses without end, or
// does not return cannot be stopped from here.
package codec
