// Package checks proves package verify on real databases: that a sound one with
// everything in it is found sound, and that each rule bites.
package checks
