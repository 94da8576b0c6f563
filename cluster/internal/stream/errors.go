package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrClosed is the outcome of what had no answer when the connection was closed.
	ErrClosed = errors.New("the connection is closed")
	// ErrNoJetStream tells that nobody answers requests to JetStream: the server does
	// not have it, or it is not ready yet, or the asset does not exist.
	ErrNoJetStream = errors.New("the server has no JetStream, or it is not ready")
	// ErrDeleted tells that a consumer was deleted.
	ErrDeleted = errors.New("it was deleted")
	// ErrNotFound tells that there is no such message.
	ErrNotFound = errors.New("no such message")
)

const noResponders = "503"

var errorKey = []byte(`"error":`)

// An APIError is a refusal by the server's JetStream.
type APIError struct {
	Code        int    `json:"code"`     // like HTTP's
	ErrCode     int    `json:"err_code"` // the exact reason
	Description string `json:"description"`
	Where       string `json:"-"`
}

func (e *APIError) Error() string {
	switch e.ErrCode {
	case CodeResources, CodeStorageResources, CodeMemoryResources:
		return fmt.Sprintf("%s: its storage is full: %s (error %d)", e.Where, e.Description, e.ErrCode)
	}
	return fmt.Sprintf("%s: %s (error %d)", e.Where, e.Description, e.ErrCode)
}

// The codes of refusals that this project knows what to do about.
const (
	CodeStoreFailed        = 10077 // a limit of the stream: see IsFull and IsTaken
	CodeResources          = 10023 // the server's limits, or the account's
	CodeStorageResources   = 10047
	CodeMemoryResources    = 10028
	CodeNotEnabled         = 10076
	CodeNotEnabledAccount  = 10039
	CodeStreamNotFound     = 10059
	CodeStreamExists       = 10058
	CodeConsumerNotFound   = 10014
	CodeMessageNotFound    = 10037
	CodeSequenceNotFound   = 10043
	CodeDeleteFailed       = 10057
	CodeUnavailable        = 10008
	CodeMessageTooLong     = 10054
	CodeInsufficientPeers  = 10005
	CodeCreateFailed       = 10049
	CodeWrongLastSequence  = 10071
	CodeConsumerNameExists = 10148
)

// IsFull reports whether a stream refused a message because it holds as many as it
// may.
func IsFull(err error) bool {
	e, is := errors.AsType[*APIError](err)
	return is && e.ErrCode == CodeStoreFailed && !strings.Contains(e.Description, "per subject")
}

// IsTaken reports whether a stream refused a message because there is one with its
// subject.
func IsTaken(err error) bool {
	e, is := errors.AsType[*APIError](err)
	return is && e.ErrCode == CodeStoreFailed && strings.Contains(e.Description, "per subject")
}

// IsStorage reports whether a server refused a message because its storage, or the
// account's, is used up.
func IsStorage(err error) bool {
	e, is := errors.AsType[*APIError](err)
	return is && (e.ErrCode == CodeResources || e.ErrCode == CodeStorageResources || e.ErrCode == CodeMemoryResources)
}

// isTransient reports whether the server may soon answer otherwise: it has just
// started, or a leader is being elected.
func isTransient(err error) bool {
	if e, is := errors.AsType[jetstream.JetStreamError](err); is && e.APIError() != nil {
		return e.APIError().ErrorCode == CodeUnavailable
	}
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionReconnecting)
}

// isUnsettled reports whether the server refuses what it may soon not refuse, and may for good:
// there are fewer nodes than there are to be replicas, or some of them are away, and it has no
// other reason; or it cannot make a file, as while it meets an account for the first time, which
// two connections of that may see.
func isUnsettled(err error) bool {
	e, is := errors.AsType[jetstream.JetStreamError](err)
	if !is || e.APIError() == nil {
		return false
	}
	switch e.APIError().ErrorCode {
	case CodeCreateFailed:
		return true
	case CodeInsufficientPeers:
		_, reasons, more := strings.Cut(e.APIError().Description, ", ")
		return !more || strings.Contains(reasons, "peer offline")
	}
	return false
}

// refusal returns the error that an answer of JetStream is, if it is one.
func (c *Conn) refusal(m *nats.Msg) error { return refusal(c.where, m) }

func refusal(where string, m *nats.Msg) error {
	if len(m.Data) == 0 && m.Header.Get("Status") == noResponders {
		return fmt.Errorf("%s: %w (%s)", where, ErrNoJetStream, "nobody answers")
	}
	if !bytes.Contains(m.Data, errorKey) {
		return nil
	}
	var answer struct {
		Error *APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("%s: an answer that does not decode: %w", where, err)
	}
	if answer.Error == nil {
		return nil
	}
	answer.Error.Where = where
	return answer.Error
}

// A ConnectError tells why there is no connection.
type ConnectError struct {
	Where string
	Err   error
}

func (e *ConnectError) Error() string { return e.Where + ": " + e.Err.Error() }
func (e *ConnectError) Unwrap() error { return e.Err }

// A PermissionError is the server's refusal to let the user publish or subscribe.
type PermissionError struct {
	Where string
	Err   error // nats.ErrPermissionViolation with the server's text
}

func (e *PermissionError) Error() string { return e.Where + ": " + e.Err.Error() }
func (e *PermissionError) Unwrap() error { return e.Err }

// Subject returns what the server refused, or the empty string.
func (e *PermissionError) Subject() string {
	_, rest, _ := strings.Cut(e.Err.Error(), `"`)
	subject, _, _ := strings.Cut(rest, `"`)
	return subject
}

// A TimeoutError tells that the server did not answer in time. It may have done what
// was asked.
type TimeoutError struct {
	Where, Subject string
	After          time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s: no answer to %s after %v", e.Where, e.Subject, e.After)
}

func (e *TimeoutError) Timeout() bool { return true }

// A SizeError tells that a message is longer than the server takes.
type SizeError struct {
	Subject string
	Size    int
	Limit   int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("a message of %d bytes for %s is over the server's limit of %d", e.Size, e.Subject, e.Limit)
}

// withoutPasswords returns URLs without what only their owner may see.
func withoutPasswords(urls string) string {
	all := strings.Split(urls, ",")
	for i, text := range all {
		text = strings.TrimSpace(text)
		if text != "" && !strings.Contains(text, "://") {
			text = "nats://" + text // as nats.go reads it
		}
		all[i] = text
		u, err := url.Parse(text)
		if err != nil {
			if _, host, has := strings.Cut(text, "@"); has {
				all[i] = "..." + host
			}
			continue
		}
		if _, has := u.User.Password(); u.User != nil && !has {
			u.User = url.User("xxxxx") // a token
		}
		all[i] = u.Redacted()
	}
	return strings.Join(all, ",")
}
