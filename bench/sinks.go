package main

import (
	"errors"
	"os"

	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/bench/internal/report"
)

// sinks are the files that were asked for; both are nil if none was. They are opened
// before the first question, so that a wrong path costs no half an hour.
type sinks struct{ lines, page *os.File }

func (s settings) open() (sinks, error) {
	var k sinks
	var err error
	if s.json != "" {
		if k.lines, err = os.Create(s.json); err != nil {
			return sinks{}, err
		}
	}
	if s.html != "" {
		if k.page, err = os.Create(s.html); err != nil {
			return sinks{}, errors.Join(err, k.close())
		}
	}
	return k, nil
}

func (k sinks) json(results []harness.Result) error {
	if k.lines == nil {
		return nil
	}
	return report.JSON(k.lines, results)
}

func (k sinks) html(p report.Page) error {
	if k.page == nil {
		return nil
	}
	return report.HTML(k.page, p)
}

func (k sinks) close() (err error) {
	for _, f := range []*os.File{k.lines, k.page} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
