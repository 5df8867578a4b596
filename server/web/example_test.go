// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/store/reader"
)

// A program that serves a log answers HTTP requests about it, even before the log is open.
func Example() {
	ctx := context.Background()
	h := web.New(web.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	site := web.NewServer(h, nil, 0)
	served := make(chan error, 1)
	go func() { served <- site.Serve(l) }()

	facts := memory.New(memory.Options{}) // opening other backends may take a while
	s := server.New(facts, server.Options{})
	answers := reader.New(facts, reader.Options{})
	h.Attach(s, facts, answers)
	if _, err := facts.WriteFact(ctx, backend.Fact{ID: "1", Store: "tasks", Key: "milk", Value: []byte(`{"title":"Buy milk"}`)}); err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/readyz", "/v1/stores/tasks/eggs"} {
		answer, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			log.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		fmt.Printf("%d %s", answer.StatusCode, text)
	}
	http.DefaultClient.CloseIdleConnections()

	// Close the server first, which ends streams; then HTTP; then the reader of the log; then the log.
	_, _, _, _ = s.Close(), site.Shutdown(ctx), answers.Close(), facts.Close()
	<-served
	// Output:
	// 200 {"status":"ready"}
	// 404 {"error_code":"never_written","error":"key \"eggs\" in store \"tasks\" has no fact then","store":"tasks","key":"eggs"}
}

// An app that embeds a store shows the inspector in its own mux, here below /log/. Its own handler decides which users may
// see it.
func Example_inspector() {
	ctx := context.Background()
	facts := memory.New(memory.Options{}) // the app's log
	app, err := store.Open(ctx, facts, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := app.Write(ctx, backend.Fact{Store: "tasks", Key: "milk", Value: []byte(`{"title":"Buy milk"}`)}); err != nil {
		log.Fatal(err)
	}

	s := server.New(facts, server.Options{}) // it does not listen; it decides what clients may read
	answers := reader.New(facts, reader.Options{})
	inspector := web.New(web.Options{})
	inspector.Attach(s, facts, answers)
	mux := http.NewServeMux()
	mux.Handle("/log/", http.StripPrefix("/log", inspector))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "the app") })
	site := httptest.NewServer(mux)

	for _, path := range []string{"/", "/log/ui/", "/log/v1/stores/tasks/milk"} {
		answer, err := http.Get(site.URL + path)
		if err != nil {
			log.Fatal(err)
		}
		_ = answer.Body.Close()
		fmt.Println(path, answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	http.DefaultClient.CloseIdleConnections()
	site.Close()
	_, _, _, _ = s.Close(), answers.Close(), app.Close(), facts.Close()
	// Output:
	// / 200 text/plain; charset=utf-8
	// /log/ui/ 200 text/html; charset=utf-8
	// /log/v1/stores/tasks/milk 200 application/json
}
