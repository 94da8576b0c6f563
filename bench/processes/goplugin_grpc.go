package processes

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The tasks as a service of gRPC. Its messages are well-known ones, so that no code
// is generated: the description below is what a generator would write.
const grpcService = "bench.Tasks"

var grpcTasks = grpc.ServiceDesc{
	ServiceName: grpcService,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		grpcMethod(nameFollowing, onGRPCNumber), grpcMethod(nameTotal, onGRPCNumber), grpcMethod(nameNap, onGRPCNumber),
		grpcMethod(nameLength, onGRPCBytes), grpcMethod(nameStall, onGRPCBytes),
		grpcMethod(nameEcho, func(_ string, in *wrapperspb.BytesValue) (any, error) { return in, nil }),
	},
}

func onGRPCNumber(name string, in *wrapperspb.Int64Value) (any, error) {
	n, err := onNumber(name, in.Value)
	return wrapperspb.Int64(n), err
}

func onGRPCBytes(name string, in *wrapperspb.BytesValue) (any, error) {
	n, err := onBytes(name, in.Value)
	return wrapperspb.Int64(n), err
}

func grpcMethod[In any](name string, run func(name string, in *In) (any, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			in := new(In)
			if err := decode(in); err != nil {
				return nil, err
			}
			if intercept == nil {
				return run(name, in)
			}
			info := &grpc.UnaryServerInfo{FullMethod: grpcPath(name)}
			return intercept(ctx, in, info, func(_ context.Context, in any) (any, error) { return run(name, in.(*In)) })
		},
	}
}

func grpcPath(name string) string { return "/" + grpcService + "/" + name }

// The default refuses messages of more than 4 MiB.
var largeMessages = []grpc.DialOption{grpc.WithDefaultCallOptions(
	grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32))}

func newGRPCServer(options []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(math.MaxInt32), grpc.MaxSendMsgSize(math.MaxInt32))...)
}

// GRPCServer and GRPCClient make pluginTasks a plugin.GRPCPlugin.
func (pluginTasks) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&grpcTasks, struct{}{})
	return nil
}

func (pluginTasks) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return &grpcClient{conn: c}, nil
}

// grpcClient is a process that is called by gRPC.
type grpcClient struct {
	conn *grpc.ClientConn
	end  func() error
}

func (g *grpcClient) number(name string, n int64) (int64, error) {
	return g.call(name, wrapperspb.Int64(n))
}

func (g *grpcClient) bytes(name string, b []byte) (int64, error) {
	return g.call(name, wrapperspb.Bytes(b))
}

func (g *grpcClient) call(name string, in any) (int64, error) {
	var out wrapperspb.Int64Value
	if err := g.conn.Invoke(background, grpcPath(name), in, &out); err != nil {
		return 0, fmt.Errorf("gRPC: %w", err)
	}
	return out.Value, nil
}

func (g *grpcClient) echo(b []byte) ([]byte, error) {
	var out wrapperspb.BytesValue
	if err := g.conn.Invoke(background, grpcPath(nameEcho), wrapperspb.Bytes(b), &out); err != nil {
		return nil, fmt.Errorf("gRPC: %w", err)
	}
	return out.Value, nil
}

func (g *grpcClient) close() error {
	if g.end == nil {
		return errors.New("a client that nobody has started")
	}
	return g.end()
}
