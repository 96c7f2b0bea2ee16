"""Spiking twins: conversion from an artificial network, the noise that drives them, engines."""
