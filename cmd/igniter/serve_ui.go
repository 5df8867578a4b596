// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store/reader"
)

func (a *app) uiCommand() *cobra.Command {
	var port uint16
	cmd := withLogFlags(&cobra.Command{
		Use:   "ui",
		Short: "Look at a log in a browser",
		Long: `Serves the inspector for a log in a directory or on a server, read-only and for this machine only, and prints the link.
SIGINT ends it. While it runs, every user of this machine can read all that the command may read.`,
		Example: `  igniter ui --path ./log
  igniter ui --address db1:7400 --tls-ca ca.pem --token-file app.token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.withLog(cmd.Context(), func(log backend.Log) error { return a.inspect(cmd.Context(), log, port) })
			if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
				return nil // the way to end it
			}
			return err
		},
	})
	cmd.Flags().Uint16Var(&port, "port", 0, "port to listen on; 0: any")
	return cmd
}

// inspect serves the inspector until ctx ends.
func (a *app) inspect(ctx context.Context, log backend.Log, port uint16) (err error) {
	logger, err := a.logger("warn")
	if err != nil {
		return err
	}
	s := server.New(log, server.Options{ReadOnly: true, Logger: logger})
	r := reader.New(log, reader.Options{Memory: -1, Logger: logger})
	defer func() { err = errors.Join(err, r.Close(), s.Close()) }()
	r.Counted() // so that the first page does not wait
	b, v := thisBuild(), a.values
	about := web.About{Version: b.Version, Revision: b.Revision, LogName: cmp.Or(v.String("log_name"), v.String("path"), v.String("address")), DiskFree: diskFree(v.String("path"))}
	h := web.New(web.Options{Logger: logger, About: func() web.About { return about }})
	h.Attach(s, log, r)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	served := web.NewServer(h, logger, 100)
	defer context.AfterFunc(ctx, func() { _ = served.Close() })()
	if _, err := fmt.Fprintf(a.out, "http://%s/\n", l.Addr()); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := served.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
