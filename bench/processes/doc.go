// Package processes asks pools of worker processes, and what programs build instead
// of one, what it costs to have a function run in another process.
//
// Peers in Go answer through the interface workers, whose tasks are in tasks.go;
// the roles in which this program is started again for them are in roles.go. Peers
// in Python have the folder python: a file for each, behind the common text
// questions.py, which asks the same questions in the same way.
package processes
