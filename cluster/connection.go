package cluster

import (
	"context"
	"crypto/tls"
	"log/slog"

	"github.com/futures-go/futures/cluster/internal/stream"
)

// Connection says which server to use, and as whom.
type Connection struct {
	URL             string
	Server          *Server
	Name            string
	User, Password  string
	Token           string
	NKeyFile        string
	CredentialsFile string
	TLS             *tls.Config
	Namespace       string
}

func (c *Connection) connect(ctx context.Context, role stream.Role, log *slog.Logger) (*stream.Conn, error) {
	config := stream.Config{
		URL: c.URL, Name: c.Name, Role: role, Namespace: c.Namespace, TLS: c.TLS, User: c.User, Password: c.Password,
		Token: c.Token, NKeyFile: c.NKeyFile, CredentialsFile: c.CredentialsFile, Logger: log,
	}
	if c.Server != nil {
		config.InProcess = c.Server.pipes
		config.User, config.Password = c.Server.user, c.Server.password
	}
	return stream.Connect(ctx, config)
}
