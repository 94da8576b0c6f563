package futures

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// RetryPolicy says how often and when a task that failed is run again. The zero
// value runs it once. A cancelled task is never run again, nor is one that
// panicked, because that is a bug and not bad luck.
//
// The wait before retry n (from 1) is Backoff * Multiplier^(n-1), at most
// MaxBackoff, less a random part of up to Jitter of it.
type RetryPolicy struct {
	Max        int           // retries after the first attempt; 0 for none
	Backoff    time.Duration // before the first retry; 0 for none at all
	MaxBackoff time.Duration // default 30 s
	Multiplier float64       // default 2, at least 1
	Jitter     float64       // 0 to 1; the default 0 gives exact waits

	// If decides by the error, called without locks by the one who ran the task.
	// The default retries all errors.
	If func(error) bool
}

const (
	defaultMaxBackoff = 30 * time.Second
	defaultMultiplier = 2
)

func (p RetryPolicy) validate() error {
	switch {
	case p.Max < 0:
		return fmt.Errorf("negative Max %d", p.Max)
	case p.Backoff < 0:
		return fmt.Errorf("negative Backoff %v", p.Backoff)
	case p.MaxBackoff < 0:
		return fmt.Errorf("negative MaxBackoff %v", p.MaxBackoff)
	case p.Multiplier != 0 && !(p.Multiplier >= 1) || math.IsInf(p.Multiplier, 0):
		return fmt.Errorf("bad Multiplier %v, must be at least 1", p.Multiplier)
	case !(p.Jitter >= 0 && p.Jitter <= 1):
		return fmt.Errorf("bad Jitter %v, must be between 0 and 1", p.Jitter)
	}
	return nil
}

// Delay returns the wait before retry n, counted from 1.
func (p RetryPolicy) Delay(n int) time.Duration {
	if p.Backoff == 0 {
		return 0
	}
	limit, factor := p.MaxBackoff, p.Multiplier
	if limit == 0 {
		limit = defaultMaxBackoff
	}
	if factor == 0 {
		factor = defaultMultiplier
	}
	d := limit
	if grown := float64(p.Backoff) * math.Pow(factor, float64(n-1)); grown < float64(limit) {
		d = time.Duration(grown)
	}
	return d - time.Duration(float64(d)*p.Jitter*rand.Float64())
}

// nextAttempt makes a running task whose attempt failed with err Pending again,
// if its policy allows that, and returns the time to wait before the next start.
func (t *Task) nextAttempt(err error) (delay time.Duration, again bool) {
	x := t.extended()
	if x == nil || x.settings.retry == nil {
		return 0, false
	}
	policy, made := x.settings.retry, t.Attempt()
	if made > policy.Max || t.parent.Err() != nil || !t.wantsAnother(policy, err) {
		return 0, false
	}
	t.endContext()
	x.mu.Lock()
	x.lastErr = err
	x.mu.Unlock()
	delay = policy.Delay(made)
	for {
		phase := t.phase.Load()
		if phase&phaseMask != phaseRunning || phase&flagStop != 0 {
			return 0, false
		}
		if t.phase.CompareAndSwap(phase, withPhase(phase&^flagStarted, phasePending)) {
			return delay, true
		}
	}
}

// wantsAnother asks the policy about an error. The policy and the error's methods
// are user code: a panic in them is what the task fails with.
func (t *Task) wantsAnother(policy *RetryPolicy, err error) (again bool) {
	defer func() {
		if p := recoverPanic(recover()); p != nil {
			t.rest().err = p
			again = false
		}
	}()
	if policy.If != nil {
		if _, panicked := err.(*PanicError); panicked {
			return false
		}
		return policy.If(err)
	}
	_, panicked := errors.AsType[*PanicError](err)
	return !panicked
}
