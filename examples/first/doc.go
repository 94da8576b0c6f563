// First reads the files that it is given, three at a time, and prints their sizes
// in the order in which they were given.
package main
