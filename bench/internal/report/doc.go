// Package report shows what the harness has measured: tables for a terminal, lines
// of JSON, and a page of HTML that needs nothing beside itself.
package report
