/* Ends the functions of a level. */
#ifdef DPQI_TARGETED
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
