package procpool_test

import (
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	leakcheck.Main(m)
}
