import { mount } from 'svelte';
import Root from '../src/Root.svelte';
import '../src/styles/tokens.css';
import '../src/styles/base.css';
import { fakeBackend } from './fake-backend';

const target = document.querySelector('#app');
if (target !== null) mount(Root, { target, props: { backend: fakeBackend(new URLSearchParams(location.search)) } });
