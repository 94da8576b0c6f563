package codec

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fxamacker/cbor/v2"
)

// contextValue is a value of the caller's context that travels with tasks.
type contextValue struct {
	name string
	key  any
	typ  reflect.Type
}

// contextValues is replaced by a registration and never changed.
var (
	contextValues      atomic.Pointer[[]contextValue]
	registeringContext sync.Mutex // held from reading contextValues to storing the next
)

// RegisterContextValue lets the value of type t that contexts hold under key travel with
// tasks. Both sides register it under the same name. It panics if the name or the key is
// registered already, if key cannot be compared, or if Check refuses t.
func RegisterContextValue(name string, key any, t reflect.Type) {
	const caller = "RegisterContextValue"
	checkName(caller, name)
	if key == nil || !reflect.ValueOf(key).Comparable() {
		panic(fmt.Sprintf("%s: %s: a key that can be compared is needed", caller, name))
	}
	if err := Check(t); err != nil {
		panic(fmt.Sprintf("%s: %s: %v", caller, name, err))
	}
	registeringContext.Lock()
	defer registeringContext.Unlock()
	next := []contextValue{{name, key, t}}
	if old := contextValues.Load(); old != nil {
		next = append(next, *old...)
	}
	for _, v := range next[1:] {
		if v.name == name || v.key == key {
			panic(fmt.Sprintf("%s: %s is registered already", caller, name))
		}
	}
	slices.SortFunc(next, func(a, b contextValue) int { return strings.Compare(a.name, b.name) })
	contextValues.Store(&next)
}

// AppendContext appends a map of the registered values that ctx holds, or nothing if it
// holds none. The error names the one that cannot travel; dst is returned as it was then.
func AppendContext(dst []byte, ctx context.Context) ([]byte, error) {
	all := contextValues.Load()
	if all == nil {
		return dst, nil
	}
	var record map[string]cbor.RawMessage
	for _, v := range *all {
		value := ctx.Value(v.key)
		if value == nil {
			continue
		}
		if t := reflect.TypeOf(value); t != v.typ && !(v.typ.Kind() == reflect.Interface && t.Implements(v.typ)) {
			return dst, fmt.Errorf("codec: context value %s is of type %v, registered is %v", v.name, t, v.typ)
		}
		holder := reflect.New(v.typ)
		holder.Elem().Set(reflect.ValueOf(value))
		item, err := Append(nil, holder.Interface())
		if err != nil {
			return dst, fmt.Errorf("codec: context value %s: %w", v.name, err)
		}
		if record == nil {
			record = make(map[string]cbor.RawMessage)
		}
		record[v.name] = item
	}
	if record == nil {
		return dst, nil
	}
	b, err := encMode.Marshal(record)
	if err != nil {
		return dst, fmt.Errorf("codec: context values: %w", err)
	}
	return append(dst, b...), nil
}

// DecodeContext returns ctx with the values that data holds for registered names; other
// names are ignored. After an error it returns ctx as it was.
func DecodeContext(ctx context.Context, data []byte) (context.Context, error) {
	if len(data) == 0 {
		return ctx, nil
	}
	var record map[string]cbor.RawMessage
	if err := decMode.Unmarshal(data, &record); err != nil {
		return ctx, fmt.Errorf("codec: context values: %w", err)
	}
	out := ctx
	if all := contextValues.Load(); all != nil {
		for _, v := range *all {
			item, ok := record[v.name]
			if !ok {
				continue
			}
			holder := reflect.New(v.typ)
			if err := Decode(item, holder.Interface()); err != nil {
				return ctx, fmt.Errorf("codec: context value %s: %w", v.name, err)
			}
			out = context.WithValue(out, v.key, holder.Elem().Interface())
		}
	}
	return out, nil
}
