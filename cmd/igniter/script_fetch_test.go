// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// fetch STATUS [-X METHOD] URL [HEADER]... sends an HTTP request and prints the answer's headers and body. $CA names the
// authorities to trust.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	method := http.MethodGet
	if len(args) > 3 && args[1] == "-X" {
		method, args = args[2], append(args[:1:1], args[3:]...)
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fetch STATUS [-X METHOD] URL [HEADER]...")
	}
	answer, body := request(ts, method, args[1], args[2:]...)
	ts.Check(answer.Header.Write(ts.Stdout()))
	fmt.Fprintf(ts.Stdout(), "\n%s", body)
	if fmt.Sprint(answer.StatusCode) != args[0] {
		ts.Fatalf("%s answers %s: %s", args[1], answer.Status, body)
	}
}

// request sends an HTTP request, and returns the answer with its body.
func request(ts *testscript.TestScript, method, url string, headers ...string) (*http.Response, []byte) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{}, DisableKeepAlives: true}
	if ca := ts.Getenv("CA"); ca != "" {
		pem, err := os.ReadFile(ts.MkAbs(ca))
		ts.Check(err)
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	r, err := http.NewRequest(method, url, nil)
	ts.Check(err)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	answer, err := client.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	return answer, body
}
