package cluster

import (
	"context"
	"crypto/tls"
	"log/slog"

	"github.com/futures-go/futures/cluster/internal/stream"
)

// Connection says which server to connect to, and as whom.
type Connection struct {
	URL    string  // of a server, or several separated by commas
	Server *Server // in this process, instead of URL

	Name                  string // of this side, in the server's logs, and in this program's
	User, Password, Token string
	NKeyFile              string // holds a seed
	CredentialsFile       string // holds a JWT and a seed
	TLS                   *tls.Config
	Namespace             string // default "default": applications with different ones do not see each other
}

// connect connects in a role.
func (c Connection) connect(ctx context.Context, role stream.Role, logger *slog.Logger) (*stream.Conn, error) {
	config := stream.Config{
		URL: c.URL, Name: c.Name, Role: role, Namespace: c.Namespace, TLS: c.TLS,
		User: c.User, Password: c.Password, Token: c.Token, NKeyFile: c.NKeyFile, CredentialsFile: c.CredentialsFile,
		Logger: logger,
	}
	if c.Server != nil {
		config.URL, config.InProcess = "", c.Server.pipes
		config.User, config.Password = c.Server.user, c.Server.password
	}
	return stream.Connect(ctx, config)
}
