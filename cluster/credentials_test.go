package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/futures-go/futures/cluster/internal/engine"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// An issuer signs claims: an operator those of accounts, an account those of users.
type issuer struct {
	t    *testing.T
	key  nkeys.KeyPair
	name string // the public key
}

func newIssuer(t *testing.T, kind func() (nkeys.KeyPair, error)) issuer {
	t.Helper()
	key, err := kind()
	if err != nil {
		t.Fatal(err)
	}
	name, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return issuer{t, key, name}
}

func (i issuer) sign(claims jwt.Claims) string {
	i.t.Helper()
	text, err := claims.Encode(i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

// credentials makes the file of a user who may do what a role needs, and nothing else.
func (i issuer) credentials(role stream.Role) (file string) {
	i.t.Helper()
	user := newIssuer(i.t, nkeys.CreateUser)
	names, err := stream.NewNames("")
	if err != nil {
		i.t.Fatal(err)
	}
	claims, needs := jwt.NewUserClaims(user.name), names.Permissions(role)
	claims.Permissions.Pub.Allow, claims.Permissions.Sub.Allow = needs.Publish, needs.Subscribe
	if needs.Respond {
		claims.Permissions.Resp = &jwt.ResponsePermission{MaxMsgs: 1}
	}
	seed, err := user.key.Seed()
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(i.sign(claims), seed)
	if err != nil {
		i.t.Fatal(err)
	}
	file = filepath.Join(i.t.TempDir(), "user.creds")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		i.t.Fatal(err)
	}
	return file
}

// TestCredentialsFiles runs tasks of a pool and a worker on a server that trusts an operator, as
// companies run it and as it is hired: users have files that their account has signed, with the
// permissions of SUBJECTS.md.
func TestCredentialsFiles(t *testing.T) {
	operator, account, system := newIssuer(t, nkeys.CreateOperator), newIssuer(t, nkeys.CreateAccount), newIssuer(t, nkeys.CreateAccount)
	resolver := &server.MemAccResolver{}
	for _, a := range []issuer{account, system} {
		claims := jwt.NewAccountClaims(a.name)
		if a == account {
			claims.Limits.DiskStorage, claims.Limits.MemoryStorage = jwt.NoLimit, jwt.NoLimit
		}
		if err := resolver.Store(a.name, operator.sign(claims)); err != nil {
			t.Fatal(err)
		}
	}
	trusted := jwt.NewOperatorClaims(operator.name)
	trusted.SystemAccount = system.name
	e, err := engine.Start(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(),
		TrustedOperators: []*jwt.OperatorClaims{trusted}, SystemAccount: system.name, AccountResolver: resolver,
	}, newServerLog(quiet, "operated"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()

	client := Connection{URL: e.ClientURL(), CredentialsFile: account.credentials(stream.Client)}
	worker := Connection{URL: e.ClientURL(), CredentialsFile: account.credentials(stream.Worker)}
	together(t, client, worker)

	stranger := newIssuer(t, nkeys.CreateAccount)
	_, err = Connect(t.Context(), Options{Connection: Connection{URL: e.ClientURL(), CredentialsFile: stranger.credentials(stream.Client)}, Logger: quiet})
	if err == nil || !strings.Contains(err.Error(), "user.creds") {
		t.Errorf("signed by nobody: %v", err)
	}
}
