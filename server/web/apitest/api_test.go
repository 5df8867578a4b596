// SPDX-License-Identifier: Apache-2.0

package apitest

import (
	"bytes"

	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store/reader"
)

// TestAnswers: openapi.json is valid OpenAPI, and each request and answer match it.
func TestAnswers(t *testing.T) {
	text, err := os.ReadFile("../openapi.json")
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	router, err := gorillamux.NewRouter(doc)
	require.NoError(t, err)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", lines)

	log := memory.New(memory.Options{})
	answers := reader.New(log, reader.Options{})
	s := server.New(log, server.Options{})
	h := web.New(web.Options{About: func() web.About {
		return web.About{Version: "v1", Certificate: &web.Certificate{Subject: "CN=a", Client: "none"}, Reloaded: &web.Reloaded{OK: true}, Memory: web.Memory{Used: 1}}
	}})
	defer func() {
		require.NoError(t, s.Close())
		require.NoError(t, answers.Close())
		require.NoError(t, log.Close())
	}()
	h.Attach(s, log, answers)
	ask := func(method, path, body string, headers ...string) (int, string) {
		r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		route, parameters, err := router.FindRoute(r)
		require.NoError(t, err, path)
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true}}
		require.NoError(t, openapi3filter.ValidateRequest(t.Context(), in), path)
		w := httptest.NewRecorder()
		h.ServeHTTP(patient{w}, r)
		got := w.Body.String()
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header(), Body: io.NopCloser(strings.NewReader(got))}
		if w.Code != http.StatusNotModified {
			require.NoError(t, openapi3filter.ValidateResponse(t.Context(), out), "%s %s: %d %s", method, path, w.Code, got)
		}
		return w.Code, got
	}
	want := func(status int, method, path, body string, headers ...string) string {
		t.Helper()
		got, text := ask(method, path, body, headers...)
		require.Equal(t, status, got, "%s %s: %s", method, path, text)
		return text
	}
	for i := range 5 {
		want(201, "PUT", "/v1/stores/tasks/milk?id=m"+fmt.Sprint(i), fmt.Sprintf(`{"title":"Milk","n":%d}`, i), "Content-Type", "application/json")
		want(200, "PUT", "/v1/stores/tasks/milk?id=m"+fmt.Sprint(i), fmt.Sprintf(`{"title":"Milk","n":%d}`, i), "Content-Type", "application/json")
	}
	want(201, "PUT", "/v1/stores/tasks/eggs?valid_at=2026-01-01&producer=ana", "1", "Content-Type", "application/json", "If-None-Match", "*")
	require.Contains(t, want(409, "PUT", "/v1/stores/tasks/milk", "1", "Content-Type", "application/json", "If-Match", `"m1"`), `"latest":{`)
	want(422, "PUT", "/v1/stores/tasks/milk", "{\"a\":1,\"a\":2}", "Content-Type", "application/json")
	want(201, "DELETE", "/v1/stores/tasks/eggs", "")
	want(201, "POST", "/v1/facts", `{"id":"p1","store":"tasks","key":"tea","value":1}`+"\n"+`{"id":"p2","store":"tasks","key":"tea","value":2,"derivation":{"rule":"r","sources":["m4"]}}`+"\n", "Content-Type", "application/x-ndjson")
	want(200, "POST", "/v1/facts", `{"id":"p1","store":"tasks","key":"tea","value":1}`, "Content-Type", "application/x-ndjson")

	for _, path := range []string{
		"/healthz", "/readyz", "/openapi.json", "/v1/whoami", "/v1/status", "/v1/stores", "/v1/stores?days=3", "/v1/stores/tasks", "/v1/stores/tasks?where=n%3E2&where=title=Milk&facet=title&facet=producer&order=-value.n&limit=1&prefix=m",
		"/v1/stores/tasks?at_seq=2", "/v1/stores/none", "/v1/stores/tasks/milk", "/v1/stores/tasks/milk?at_seq=1&valid_at=now", "/v1/history/tasks/milk?limit=2&ticks=1", "/v1/history/tasks/eggs",
		"/v1/facts", "/v1/facts?reverse=1&limit=3&changes=1", "/v1/facts?since=1h&until=now&store=tasks&key=milk", "/v1/facts?after=1&through=3", "/v1/facts/m2", "/v1/lineage/p2?effects=1&depth=all&values=1", "/v1/lineage/m4?effects=1",
		"/v1/diff/tasks?from=2&to=4", "/v1/diff/tasks?limit=0", "/v1/diff/tasks?key=milk&from=1", "/v1/histogram?axis=both&by=store&by=producer&buckets=3", "/v1/histogram?store=tasks", "/v1/moment", "/v1/moment?at=now", "/v1/moment?seq=3&store=tasks&key=milk",
	} {
		want(200, "GET", path, "")
	}
	for path, status := range map[string]int{"/v1/stores/tasks/none": 404, "/v1/stores/tasks/eggs": 404, "/v1/history/tasks/none": 404, "/v1/facts/none": 404, "/v1/lineage/none": 404, "/v1/stores/tasks/milk?at_seq=99": 409, "/v1/facts?after=99": 409} {
		want(status, "GET", path, "")
	}
}

// lines decodes only the first line of a body of JSON lines, which stands in for all.
func lines(body io.Reader, header http.Header, schema *openapi3.SchemaRef, encode openapi3filter.EncodingFn) (any, error) {
	all, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(bytes.TrimSpace(all)) {
		value, err := openapi3filter.JSONBodyDecoder(bytes.NewReader(line), header, schema, encode)
		if err != nil {
			return nil, err
		}
		if err := schema.Value.VisitJSON(value); err != nil {
			return nil, err
		}
	}
	first, _, _ := bytes.Cut(all, []byte("\n"))
	return openapi3filter.JSONBodyDecoder(bytes.NewReader(first), header, schema, encode)
}

// A patient recorder has no deadlines.
type patient struct{ *httptest.ResponseRecorder }

func (patient) SetWriteDeadline(time.Time) error { return nil }
